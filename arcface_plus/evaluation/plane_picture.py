"""Two features an image as a picture: points coloured by class, the class weights as arrows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from arcface_plus.evaluation.model_labels import labels
from arcface_plus.evaluation.plane_features import PlaneFeatures
from data_prep.errors import printable
from data_prep.files import replacing

# Paul Tol's "muted" colours, told apart by the colour-blind; further classes begin again, and the
# names beside the points tell which is which.
COLOURS = ("#332288", "#CC6677", "#44AA99", "#DDCC77", "#88CCEE", "#882255", "#117733", "#999933",
           "#AA4499", "#7A7A7A")  # fmt: skip
_INK = "#222222"
_COLUMNS = 3
_MOST_NAMED = 3
_ARROW = 0.75
"""Length of the longest arrow, in parts of the distance from the origin to the picture's edge."""


def plane_figure(models: Sequence[PlaneFeatures]) -> Figure:
    """A panel a model. Arrows have the directions of the class weights; lengths are relative.

    Each panel has its own scale, since the network determines the length of the features.
    """
    columns = min(len(models), _COLUMNS)
    rows = -(-len(models) // columns)
    figure = Figure(figsize=(4.6 * columns, 5.1 * rows), layout="constrained")
    shown = labels([model.checkpoint for model in models])
    for place, (label, model) in enumerate(zip(shown, models, strict=True), 1):
        _draw(figure.add_subplot(rows, columns, place), label, model)
    return figure


def write_png(path: Path, models: Sequence[PlaneFeatures]) -> None:
    with replacing(path) as file:
        plane_figure(models).savefig(file, dpi=150, format="png")


def summary(model: PlaneFeatures) -> str:
    """Accuracy, and the error of the rare classes, or of the worst one where none is rare."""
    errors, names = model.result.errors_per_class, model.class_names
    said = f"accuracy {model.result.top1:.2%}"
    if not model.rare:
        worst = int(np.nanargmax(errors))
        return f"{said}, largest error: {names[worst]} {errors[worst]:.1%}"
    if len(model.rare) > _MOST_NAMED:
        mean = float(np.nanmean(errors[list(model.rare)]))
        return f"{said}, mean error of the {len(model.rare)} rare classes: {mean:.1%}"
    each = ", ".join(f"{names[k]} {errors[k]:.1%}" for k in model.rare)
    return f"{said}, error of rare {'class' if len(model.rare) == 1 else 'classes'}: {each}"


def _draw(axes: Axes, label: str, model: PlaneFeatures) -> None:
    # Rare classes last, on top, and the others mixed, so that none hides all of another.
    mixed = np.random.default_rng(0).permutation(len(model.labels))
    order = mixed[np.argsort(np.isin(model.labels[mixed], model.rare), kind="stable")]
    colours = np.array([COLOURS[k % len(COLOURS)] for k in range(len(model.class_names))])
    x, y = model.features[order].T
    axes.scatter(x, y, s=5, c=colours[model.labels[order]], alpha=0.6, linewidths=0)
    edge = 1.05 * float(np.abs(model.features).max()) or 1.0
    _arrows(axes, model, colours.tolist(), edge)
    for k, name in enumerate(model.class_names):
        if (own := model.labels == k).any():
            x, y = np.median(model.features[own], axis=0)
            axes.text(
                x, y, printable(name), color=_INK, fontsize=12, fontweight="bold", ha="center",
                va="center", zorder=6, parse_math=False,
                bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colours[k],
                      "linewidth": 2, "alpha": 0.9},
            )  # fmt: skip
    axes.set_title(f"{printable(label)}\n{summary(model)}", fontsize=11, parse_math=False)
    axes.set(aspect="equal", xlim=(-edge, edge), ylim=(-edge, edge))
    axes.set(xlabel="feature 1", ylabel="feature 2")
    axes.tick_params(labelsize=8)


def _arrows(axes: Axes, model: PlaneFeatures, colours: Sequence[str], edge: float) -> None:
    """The class weights, each with the name of its class beyond its tip."""
    longest = float(np.linalg.norm(model.class_weights, axis=1).max())
    if longest == 0:
        return
    outline = [withStroke(linewidth=3, foreground=_INK)]
    tips = model.class_weights * (_ARROW * edge / longest)
    for tip, colour, name in zip(tips, colours, model.class_names, strict=True):
        axes.annotate(
            "", xy=tip, xytext=(0, 0), zorder=4,
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "shrinkA": 0,
                        "shrinkB": 0, "path_effects": outline},
        )  # fmt: skip
        x, y = tip * (1 + 0.06 * edge / max(float(np.linalg.norm(tip)), 0.01 * edge))
        axes.text(
            x, y, printable(name), color=_INK, fontsize=9, fontstyle="italic", ha="center",
            va="center", zorder=5, parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
