"""A contact sheet: rows of 112x112 pictures with words beside and above them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from data_prep.images import Image

SIZE, GAP, HEADING = 112, 4, 28  # pixels
INK, GREEN, RED = (40, 40, 40), (20, 130, 40), (180, 40, 30)
_PAPER = 250
_DPI = 100
_POINTS = 9.5
_LINE = 17  # pixels from one line of text to the next

Colour = tuple[int, int, int]


class _Words(NamedTuple):
    text: str
    left: int
    middle: int
    colour: Colour
    bold: bool


class Sheet:
    """White paper with room for a heading and `rows` rows; distances are in pixels."""

    def __init__(self, rows: int, width: int) -> None:
        height = HEADING + rows * (SIZE + GAP) + GAP
        self._paper = np.full((height, width + GAP, 3), _PAPER, np.uint8)
        self._words: list[_Words] = []

    def heading(self, text: str, left: int = 0, colour: Colour = INK) -> None:
        """Words above the rows."""
        self._words.append(_Words(text, left + 6, HEADING // 2, colour, True))

    def label(self, row: int, lines: list[str], left: int = 0, colour: Colour = INK) -> None:
        """Lines of words beside a row's pictures, at the height of their middle."""
        middle = top_of(row) + SIZE // 2
        for k, line in enumerate(lines):
            at = round(middle + (k - (len(lines) - 1) / 2) * _LINE)
            self._words.append(_Words(line, left + 6, at, colour, False))

    def place(self, row: int, left: int, picture: Image) -> None:
        """A picture of at most 112x112."""
        height, width = picture.shape[:2]
        self._paper[top_of(row) : top_of(row) + height, left : left + width] = picture

    def drawn(self) -> Image:
        """(h, w, 3) uint8 RGB."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        height, width = self._paper.shape[:2]
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        figure.figimage(self._paper, origin="upper")
        for text, left, middle, colour, bold in self._words:
            figure.text(
                left / width, 1 - middle / height, text,
                fontsize=_POINTS, fontweight="bold" if bold else "normal", va="center",
                color=[part / 255 for part in colour], parse_math=False,
            )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
            canvas.draw()
        return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def top_of(row: int) -> int:
    """Where a row's pictures begin."""
    return HEADING + GAP + row * (SIZE + GAP)


def shortened(name: str, longest: int) -> str:
    """A name that fits, with an ellipsis where letters had to go."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
