"""Pictures of pair scores, as Matplotlib figures that whoever draws them may save in any format.

Figures are made without pyplot: no window, no state shared between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from data_prep.errors import printable
from eval.roc import DIFFERENT_PAIRS_NEEDED, FALSE_ACCEPT_RATES, operating_point, roc_curve_of
from eval.scores import PairScores

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's, told apart by the colour-blind too."""


def roc_figure(title: str, curves: Mapping[str, PairScores]) -> Figure:
    """ROC of one or more sets of scores over a logarithmic FAR.

    The curve ends at one false accept. Left of ten of them (of any of the sets) it is grey: luck
    decides there. A dot marks each FAR at which a TAR is published.
    """
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    unsure, lowest = 0.0, 1.0
    for i, (name, scores) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        different = int(np.sum(~scores.same))
        far, tar = roc_curve_of(scores.distances, scores.same)
        seen = far > 0
        axes.step(far[seen], tar[seen], where="post", color=colour, label=name, linewidth=1.6)
        lowest = min(lowest, float(tar[seen][0]) if seen.any() else 1.0)
        unsure = max(unsure, DIFFERENT_PAIRS_NEEDED / different)
        for inverse in FALSE_ACCEPT_RATES.values():
            if different >= DIFFERENT_PAIRS_NEEDED * inverse:
                point = operating_point(scores.distances, scores.same, inverse)
                axes.plot(1 / inverse, point.tar, "o", color=colour, markersize=5)
    smallest = min(1 / max(int(np.sum(~s.same)), 1) for s in curves.values())
    axes.axvspan(smallest / 10, unsure, color="0.92", zorder=0)
    axes.set(
        title=title,
        xscale="log",
        xlim=(smallest, 1),
        ylim=(max(0.0, lowest - 0.05), 1.01),
        xlabel="false accept rate (grey: fewer than ten false accepts)",
        ylabel="true accept rate",
    )
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    _as_written(axes.title, *axes.legend(loc="lower right").get_texts())
    return figure


def score_figure(title: str, scores: PairScores, thresholds: Sequence[float]) -> Figure:
    """Histograms of the cosine of same and different pairs, with the folds' thresholds.

    `thresholds` are on the squared distance, as the protocol has them.
    """
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    cosine = 1 - np.asarray(scores.distances, dtype=np.float64) / 2
    bins = np.linspace(np.floor(cosine.min() * 20) / 20, 1.0, 81).tolist()
    kinds = (
        ("different people", ~scores.same, COLOURS[1]),
        ("same person", scores.same, COLOURS[0]),
    )
    for name, members, colour in kinds:
        count = int(members.sum())
        label = f"{name} ({count} pairs)"
        axes.hist(cosine[members], bins, histtype="stepfilled", color=colour, alpha=0.35)
        axes.hist(cosine[members], bins, histtype="step", color=colour, label=label)
    for i, threshold in enumerate(sorted(set(thresholds))):
        axes.axvline(
            1 - threshold / 2,
            color="0.25",
            linewidth=1,
            linestyle="--",
            label="thresholds of the folds" if i == 0 else None,
        )
    axes.set(title=title, xlabel="cosine similarity", ylabel="pairs")
    _as_written(axes.title)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend()
    return figure


def pairs_figure(title: str, images: NDArray[np.uint8], captions: Sequence[str]) -> Figure:
    """Pairs side by side, five to a row: (n, 2, height, width, 3) uint8 RGB and n captions."""
    columns = 5
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(2.2 * columns, 1.25 * rows + 0.5), layout="constrained")
    _as_written(figure.suptitle(title if len(images) else f"{title}: none", fontsize=11))
    for i, (pair, caption) in enumerate(zip(images, captions, strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        gap = np.full((pair.shape[1], 4, 3), 255, np.uint8)
        axes.imshow(np.concatenate([pair[0], gap, pair[1]], axis=1))
        axes.set_title(caption, fontsize=8, pad=2)
        axes.axis("off")
    return figure


def _as_written(*texts: Text) -> None:
    """Names are no formulas: a `$` stays one, and control characters are shown."""
    for text in texts:
        text.set_parse_math(False)
        text.set_text(printable(text.get_text()))
