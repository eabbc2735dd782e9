"""DIR/tammes.json, points.npy and points.png: what `arcface-plus tammes --out DIR` leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.models.regularizers import nearest_angles
from arcface_plus.sphere.results import Packings
from data_prep.errors import UserError
from data_prep.files import make_folder, replacing, write_text
from data_prep.json_file import read_json_mapping


def write(folder: Path, found: Packings) -> None:
    """Write the three files; of the seeds, the points are those of the best."""
    assert found.best is not None
    make_folder(folder)
    with replacing(folder / "points.npy") as file:
        np.save(file, found.best.numpy())
    with replacing(folder / "points.png") as file:
        _figure(found).savefig(file, dpi=120, format="png")
    write_text(folder / "tammes.json", json.dumps(content(found), indent=2) + "\n")


def content(found: Packings) -> dict[str, Any]:
    """What tammes.json holds; angles in degrees, one of `smallest_angle_deg` a seed."""
    return {
        "schema": 1,
        "dimension": found.dimension,
        "points": found.points,
        "regularizer": found.regularizer,
        "solver": found.solver,
        "steps": found.steps,
        "seeds": list(range(len(found.angles))),
        "smallest_angle_deg": list(found.angles),
        "best_deg": found.best_deg,
        "best_known_deg": found.best_known_deg,
        "upper_bound_deg": found.upper_bound_deg,
    }


def continued(folder: Path, planned: Packings) -> Packings:
    """``planned``, which has no seeds yet, with those that the folder's files have.

    Unreadable files, and files of another problem or way to solve it, are a ``UserError``.
    """
    file = folder / "tammes.json"
    if not file.exists():
        return planned
    there = read_json_mapping(file)
    for key in ("dimension", "points", "regularizer", "solver", "steps"):
        if there.get(key) != getattr(planned, key):
            raise UserError(
                f"{file}: {key} is {there.get(key)!r}, not {getattr(planned, key)!r}; "
                "give another folder, or remove this one"
            )
    angles = there.get("smallest_angle_deg")
    if not isinstance(angles, list) or not all(isinstance(angle, float) for angle in angles):
        raise UserError(f"{file}: smallest_angle_deg is not a list of numbers; remove the folder")
    best = torch.from_numpy(_points(folder / "points.npy", planned))
    return replace(planned, angles=tuple(angles), best=best)


def _points(file: Path, planned: Packings) -> NDArray[np.float64]:
    try:
        rows = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file}: unreadable ({error}); remove the folder") from None
    shape = (planned.points, planned.dimension)
    if not isinstance(rows, np.ndarray) or rows.shape != shape or rows.dtype != np.float64:
        raise UserError(f"{file}: not an array of {shape} float64 numbers; remove the folder")
    return rows


def _figure(found: Packings) -> Any:
    """On a sphere in three dimensions, else the histogram of the angles to the nearest."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    assert found.best is not None
    figure = Figure(figsize=(6.0, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    title = (
        f"{found.points} points in {found.dimension} dimensions: {found.best_deg:.2f}° "
        f"({found.regularizer}, {found.solver})"
    )
    if found.dimension == 3:
        _on_a_sphere(figure.add_subplot(projection="3d"), found.best.numpy())
        figure.suptitle(title)
        return figure
    axes = figure.add_subplot()
    degrees = torch.rad2deg(nearest_angles(found.best).angle).numpy()
    around = (degrees.min() - 0.5, degrees.max() + 0.5)  # equal angles need a range, too
    axes.hist(degrees, bins=30, range=around, color="#4c72b0")
    if found.best_known_deg is not None:
        label = f"best known smallest angle, {found.best_known_deg:.2f}°"
        axes.axvline(found.best_known_deg, color="#c44e52", label=label)
        axes.legend()
    axes.set(title=title, xlabel="angle to the nearest point, degrees", ylabel="points")
    return figure


def _on_a_sphere(axes: Any, rows: np.ndarray) -> None:
    """Points on the near side dark, on the far side pale."""
    around, up = np.mgrid[0 : 2 * np.pi : 40j, 0 : np.pi : 20j]
    x, y, z = np.cos(around) * np.sin(up), np.sin(around) * np.sin(up), np.cos(up)
    axes.plot_wireframe(x, y, z, color="0.85", linewidth=0.4)
    axes.view_init(elev=20.0, azim=30.0)
    view = np.array([np.cos(0.35) * np.cos(0.52), np.cos(0.35) * np.sin(0.52), np.sin(0.35)])
    near = rows @ view > 0.0
    axes.scatter(*rows[~near].T, color="#a8b8d0", depthshade=False)
    axes.scatter(*rows[near].T, color="#1f3f70", depthshade=False)
    axes.set_box_aspect((1.0, 1.0, 1.0))
    axes.set_axis_off()
