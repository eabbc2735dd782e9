"""DIR/tammes.json, points.npy and points.png: what `arcface-plus tammes --out DIR` leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arcface_plus.models.regularizers import nearest_angles
from arcface_plus.sphere.tammes import Packings
from data_prep.files import make_folder, replacing, write_text


def write(folder: Path, found: Packings) -> None:
    """Write the three files; of the seeds, the points are those of the best."""
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
        "seeds": list(range(len(found.rows))),
        "smallest_angle_deg": found.angles,
        "best_deg": found.best_deg,
        "best_known_deg": found.best_known_deg,
        "upper_bound_deg": found.upper_bound_deg,
    }


def _figure(found: Packings) -> Any:
    """On a sphere in three dimensions, else the histogram of the angles to the nearest."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

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
    around, up = np.meshgrid(
        np.linspace(0.0, 2.0 * np.pi, 40), np.linspace(0.0, np.pi, 20), indexing="ij"
    )
    x, y, z = np.cos(around) * np.sin(up), np.sin(around) * np.sin(up), np.cos(up)
    axes.plot_wireframe(x, y, z, color="0.85", linewidth=0.4)
    axes.view_init(elev=20.0, azim=30.0)
    view = np.array([np.cos(0.35) * np.cos(0.52), np.cos(0.35) * np.sin(0.52), np.sin(0.35)])
    near = rows @ view > 0.0
    axes.scatter(*rows[~near].T, color="#a8b8d0", depthshade=False)
    axes.scatter(*rows[near].T, color="#1f3f70", depthshade=False)
    axes.set_box_aspect((1.0, 1.0, 1.0))
    axes.set_axis_off()
