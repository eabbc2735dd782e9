"""Two crops side by side, with what `match` says of them, as a PNG file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcface_plus.evaluation.matching import Match, headline, similarity_and_threshold
from data_prep.errors import printable
from data_prep.files import replacing

_INK = "#282828"
_COLOURS = {True: "#14822b", False: "#b4281e", None: _INK}
_DOTS_PER_INCH = 150
_LONGEST_NAME = 60  # letters


def write_png(path: Path, found: Match, crops: NDArray[np.uint8], names: tuple[str, str]) -> None:
    """Draw (2, 112, 112, 3) uint8 RGB crops, the verdict, similarity and threshold into `path`."""
    with warnings.catch_warnings(), replacing(path) as file:
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        figure = _figure(found, crops, names)
        figure.savefig(file, dpi=_DOTS_PER_INCH, format="png")


def _figure(found: Match, crops: NDArray[np.uint8], names: tuple[str, str]) -> Figure:
    figure = Figure(figsize=(6.0, 3.9), facecolor="white")
    canvas = FigureCanvasAgg(figure)
    colour = _COLOURS[found.same_person]
    figure.text(0.5, 0.925, headline(found), ha="center", va="center", fontsize=15,
                fontweight="bold", color=colour)  # fmt: skip
    figure.text(0.5, 0.845, _figures(found), ha="center", va="center", fontsize=9.5, color=_INK,
                parse_math=False)  # fmt: skip
    for place, (crop, name) in enumerate(zip(crops, names, strict=True)):
        axes = figure.add_axes((0.04 + 0.47 * place, 0.1, 0.45, 0.69))
        axes.imshow(crop, interpolation="lanczos")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(color=colour, linewidth=2)
        label = axes.set_xlabel("", fontsize=9, color=_INK, parse_math=False)
        for longest in range(_LONGEST_NAME, 3, -1):  # letters are not equally wide: try
            label.set_text(_shortened(printable(name), longest))
            width = label.get_window_extent(canvas.get_renderer()).width
            if width <= axes.bbox.width:
                break
    return figure


def _figures(found: Match) -> str:
    if found.rule is None:
        return f"similarity {found.cosine:.3f}, no threshold known"
    return similarity_and_threshold(found.cosine, found.rule)


def _shortened(name: str, longest: int) -> str:
    """A name of at most so many letters: its beginning and its end tell more than its middle."""
    if len(name) <= longest:
        return name
    end = longest // 2
    return f"{name[: longest - end - 1]}…{name[-end:]}"
