"""`arcface-plus toys`: the MHE paper's pictures of points on a sphere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import progress_bar, say

_SCHEMA = 1


def toys(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for pictures and points.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the starts.")] = 0,
) -> None:
    """Spread ten points on a sphere by each regularizer, as in Figs 1, 5 and 6 of the MHE paper.

    Writes a .png a figure, and toys.json with points, losses and angles.
    """
    from arcface_plus.sphere.picture import sphere_figure
    from arcface_plus.sphere.toys import FIGURES, Panel, panels
    from data_prep.files import check_folder_writable, replacing, write_text

    check_folder_writable(out)
    out.mkdir(parents=True, exist_ok=True)
    total = sum(map(len, FIGURES.values()))
    found: dict[str, list[Panel]] = {}
    with progress_bar("spreading points") as progress:
        done = 0
        for name in FIGURES:
            found[name] = []
            for panel in panels(name, seed):
                found[name].append(panel)
                done += 1
                progress(done, total)
    for name, made in found.items():
        with replacing(out / f"{name}.png") as file:
            sphere_figure(made).savefig(file, dpi=150, format="png")
    figures = {name: [panel.to_json() for panel in made] for name, made in found.items()}
    content = {"schema": _SCHEMA, "seed": seed, "figures": figures}
    write_text(out / "toys.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    for name, made in found.items():
        for panel in made:
            angle = panel.found.smallest_angle(panel.toy.lines)
            what = "smallest angle of lines" if panel.toy.lines else "smallest angle"
            typer.echo(f"{name}: {panel.toy.title}: {what} {angle:.1f}°")
    say(f"wrote {out}")
