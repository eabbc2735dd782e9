"""`arcface-plus demo`: everything from data to comparison, on generated faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_prep.files import check_folder_writable

CONFIGS = ("demo_arcface.yaml", "demo_arcface_plus.yaml")
IDENTITIES, IMAGES, PAIRS = 200, 30, 600


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the faces, the runs and the comparison.")
    ] = Path("demo_out"),
) -> None:
    """Generate faces, train ArcFace and ArcFace+ on them, verify and compare both.

    If interrupted, run the same command again to resume.
    """
    from rich.console import Console

    from arcface_plus.console import say
    from arcface_plus.evaluation.comparison_parts import class_angles, layer_angles, pair_images
    from eval.compare import compare
    from eval.report.terminal import to_terminal
    from eval.report.write import write_comparison

    check_folder_writable(out)
    data = out / "data"
    runs = _train_both(data, out)
    comparison = compare(runs)
    to_terminal(comparison, Console())
    images = pair_images(comparison.runs, data)
    angles, layers = class_angles(comparison.runs), layer_angles(comparison.runs)
    for path in write_comparison(comparison, out, angles, images, layers):
        say(f"wrote {path}")


def _train_both(data: Path, out: Path) -> list[Path]:
    """Generate faces in `data`, train in OUT/arcface and OUT/arcface_plus; returns the runs."""
    from arcface_plus.config.faces import FaceConfig
    from arcface_plus.config.tree import load, shipped
    from arcface_plus.console import progress_bar, say
    from arcface_plus.training.run import execute, verify_untrained
    from data_prep.faces.synthetic import generate

    if not (data / "train.rec").is_file():
        with progress_bar("generating faces") as progress:
            generate(data, IDENTITIES, IMAGES, pairs=PAIRS, progress=progress)
    runs: list[Path] = []
    for name in CONFIGS:
        config = load(shipped(name), [f"data.train={data}"])
        if not runs:
            assert isinstance(config, FaceConfig)
            accuracies = verify_untrained(config)
            shown = "  ".join(f"{t} {100 * a:.2f}%" for t, a in accuracies.items())
            say(f"untrained network: {shown}")
        runs.append(out / name.removeprefix("demo_").removesuffix(".yaml"))
        execute(config, runs[-1])
    return runs
