"""Draw docs/images/mechanism.png: how strong MMA is over a training, by λ, from studies.

    python tools/draw_mechanism.py STUDY_DIR… [--out FILE]

One column a study. Above: the norm of the gradient of λ·MMA over that of the loss on the class
weights, as runs log it. Below: the mean angle between each class weight and its nearest. Lines are
medians over the seeds that have come so far, bands their range. Which run has which λ is read from
its config.yaml; black is the variant that differs in the regularizer alone and has none. Studies
need not be finished.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FILE = Path(__file__).parents[1] / "docs/images/mechanism.png"
RATIO, ANGLE = "regularizer_gradient_ratio", "mean_min_angle_deg"
Curves = dict[float, dict[int, list[float]]]
"""By λ and step: the values of all seeds."""


def arms(study: Path) -> dict[float, list[Path]]:
    """The run directories by λ; 0 for the same recipe without a regularizer.

    ``ValueError`` if no run has MMA on the class weights alone.
    """
    found: dict[float, list[Path]] = defaultdict(list)
    recipes, plain = set(), []
    for config in sorted(study.glob("runs/*/seed_*/config.yaml")):
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        term = content.pop("regularizer")
        content.pop("run")
        recipe = json.dumps(content, sort_keys=True)
        if not isinstance(term, dict) or not (config.parent / "metrics.jsonl").is_file():
            continue
        if term["name"] == "mma" and term["layers"] == "classifier":
            found[float(term["weight"])].append(config.parent)
            recipes.add(recipe)
        elif term["name"] == "none":
            plain.append((recipe, config.parent))
    if not found:
        raise ValueError(
            f"{study}: no run of MMA in runs/VARIANT/seed_N; is this a study's folder?"
        )
    found[0.0].extend(run for recipe, run in plain if recipe in recipes)
    return {weight: found[weight] for weight in sorted(found) if found[weight]}


def curves(runs: dict[float, list[Path]], key: str) -> Curves:
    """Of steps that were logged twice (a resumed run) the later line counts."""
    found: Curves = {}
    for weight, directories in runs.items():
        steps: dict[int, list[float]] = defaultdict(list)
        for directory in directories:
            lines: dict[int, dict[str, Any]] = {}
            for text in (directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
                line = json.loads(text)
                lines[line["step"]] = line
            for step, line in lines.items():
                value = line.get(key)
                if value is not None and math.isfinite(value):
                    steps[step].append(value)
        if steps:
            found[weight] = dict(sorted(steps.items()))
    return found


def plot(axes: Axes, values: Curves, weights: list[float]) -> None:
    """``weights``: the λ of all panels, so that each has one colour."""
    for weight, steps in values.items():
        place = weights.index(weight) / max(1, len(weights) - 1) if weight else 0.0
        colour = colormaps["viridis"](0.9 * place) if weight else "black"
        x, y = list(steps), list(steps.values())
        axes.plot(
            x,
            [median(found) for found in y],
            color=colour,
            linestyle="-" if weight else "--",
            label=f"λ = {weight:g}" if weight else "ArcFace alone",
        )
        axes.fill_between(
            x, list(map(min, y)), list(map(max, y)), color=colour, alpha=0.2, linewidth=0
        )
    axes.set_xlabel("step")
    axes.grid(alpha=0.25)


def seeds(runs: dict[float, list[Path]]) -> str:
    """How many each arm has."""
    counts = sorted({len(directories) for directories in runs.values()})
    return f"{' to '.join(map(str, counts[:: max(1, len(counts) - 1)]))} seeds of each"


def draw(studies: list[Path], out: Path) -> dict[str, Curves]:
    """Draw and return the curves of the ratio by study."""
    figure = Figure(figsize=(5.6 * len(studies), 7.2), facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(studies), squeeze=False, sharex="col", sharey="row")
    drawn, named = {}, {}
    by_study = {study: arms(study) for study in studies}
    weights = sorted({weight for runs in by_study.values() for weight in runs if weight})
    for (above, below), (study, runs) in zip(panels.T, by_study.items(), strict=True):
        ratios = curves({w: d for w, d in runs.items() if w}, RATIO)
        plot(above, ratios, weights)
        plot(below, curves(runs, ANGLE), weights)
        above.set(yscale="log", title=f"{study.resolve().name} ({seeds(runs)})", xlabel="")
        lines, labels = below.get_legend_handles_labels()
        named |= dict(zip(labels, lines, strict=True))
        drawn[study.name] = ratios
    panels[0, 0].set_ylabel("gradient of λ·MMA over the loss's")
    panels[1, 0].set_ylabel("mean angle to the nearest class, degrees")
    figure.legend(named.values(), named, loc="outside lower center", ncols=len(named))
    figure.set_dpi(90)
    canvas.print_png(str(out))
    return drawn


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY_DIR")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    try:
        draw(options.studies, options.out)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
