"""Histograms of the cosines between filters: a panel a layer, the models over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arcface_plus.evaluation.filter_cosines import BINS, HIGH, FilterCosines
from arcface_plus.evaluation.model_labels import labels
from data_prep.errors import printable
from data_prep.files import replacing
from eval.report.pictures import COLOURS

_COLUMNS = 3
_STYLES = ("-", "--", ":", "-.")
_FEW, _MERGED = 1000, 5
"""With fewer pairs than this, so many bins are drawn as one."""


def cosine_figure(models: Sequence[Sequence[FilterCosines]]) -> Figure:
    """One panel for each layer; every model has the same number of layers, in the same order."""
    shown = labels([of_layers[0].checkpoint for of_layers in models])
    panels = list(zip(*models, strict=True))
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(6.0, 4.8 * columns), 4.2 * rows), layout="constrained")
    for place, panel in enumerate(panels, 1):
        _draw(figure.add_subplot(rows, columns, place), shown, panel)
    return figure


def write_png(path: Path, models: Sequence[Sequence[FilterCosines]]) -> None:
    with replacing(path) as file:
        cosine_figure(models).savefig(file, dpi=150, format="png")


def _draw(axes: Axes, shown: Sequence[str], panel: Sequence[FilterCosines]) -> None:
    merged = _MERGED if max(found.pairs for found in panel) < _FEW else 1
    edges = np.linspace(-1, 1, BINS // merged + 1)
    counts = [np.reshape(found.counts, (-1, merged)).sum(axis=1) for found in panel]
    axes.axvline(HIGH, color="#808080", linewidth=1, linestyle=":")
    for number, (label, found) in enumerate(zip(shown, panel, strict=True)):
        axes.stairs(
            counts[number], edges, color=COLOURS[number % len(COLOURS)], linewidth=1.6,
            linestyle=_STYLES[number % len(_STYLES)],
            # Matplotlib omits labels that start with an underscore from the legend.
            label=f"{' ' * label.startswith('_')}{printable(label)}: {found.above:,} above {HIGH}",
        )  # fmt: skip
    used = np.flatnonzero(np.sum(counts, axis=0))
    if len(used):
        axes.set_xlim(min(edges[used[0]], 0), max(edges[used[-1] + 1], 2 * HIGH))
    titles = (
        f"{printable(found.layer)}: {found.filters} filters of {found.dimensions} weights"
        for found in panel
    )
    axes.set_title("\n".join(dict.fromkeys(titles)), fontsize=11, parse_math=False)
    axes.set(xlabel="cosine of two filters", ylabel="pairs of filters")
    axes.set_ylim(bottom=0)
    for text in axes.legend(fontsize=9).get_texts():
        text.set_parse_math(False)  # a `$` in a file name is not a formula
