"""The whole way from no data to a verdict: what `make demo` runs."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from arcface_plus.console import console, progress_bar
from arcface_plus.evaluation.comparison_parts import class_angles, pair_images
from arcface_plus.config.tree import load, shipped
from arcface_plus.training.run import execute, verify_untrained
from data_prep.faces.synthetic import generate
from eval.report import write as report
from eval.compare import compare

CONFIGS = ("demo_arcface.yaml", "demo_arcface_plus.yaml")
IDENTITIES, IMAGES, PAIRS = 200, 30, 600


def run(out: Path) -> None:
    """Faces in OUT/data, runs in OUT/arcface and OUT/arcface_plus, verdict in OUT/compare.*.

    Started again, it goes on where it was interrupted.
    """
    data = out / "data"
    if not (data / "train.rec").is_file():
        with progress_bar("drawing faces") as progress:
            generate(data, IDENTITIES, IMAGES, pairs=PAIRS, progress=progress)
    runs: list[Path] = []
    for name in CONFIGS:
        config = load(shipped(name), [f"data.train={data}"])
        if not runs:
            accuracies = verify_untrained(config)
            shown = "  ".join(f"{t} {100 * a:.2f}%" for t, a in accuracies.items())
            console.print(f"untrained network: {shown}", highlight=False)
        runs.append(out / name.removeprefix("demo_").removesuffix(".yaml"))
        execute(config, runs[-1])
    comparison = compare(runs)
    report.to_terminal(comparison, Console())
    images = pair_images(comparison, data)
    for path in report.write(comparison, out, class_angles(comparison), images):
        console.print(f"wrote {path}", highlight=False)
