"""`arcface-plus report`: a report on one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_prep.files import check_folder_writable


def report(
    run: Annotated[Path, typer.Argument(help="Run directory, or a file written by verify --json.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html and report.md. Default: the run's folder."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with <target>.bin; shows the worst pairs in report.html."),
    ] = None,
) -> None:
    """Write a report on one run: accuracies, ROC, scores, curves, angles, config, environment."""
    from arcface_plus.console import say
    from arcface_plus.evaluation.comparison_parts import class_angles, layer_angles, pair_images
    from eval.report.write import write_run
    from eval.runs import read_unverified_run

    found = read_unverified_run(run)
    folder = out or (run if run.is_dir() else run.parent)
    check_folder_writable(folder)
    if not found.results.targets:
        say(f"{run}: not verified yet (no eval/step_*.json): the report shows only its training")
    images = pair_images([found], data) if data is not None else {}
    angles, layers = class_angles([found]), layer_angles([found])
    for path in write_run(found, folder, angles, images, layers):
        say(f"wrote {path}")
