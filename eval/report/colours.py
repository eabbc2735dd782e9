"""Which colour stands for which run or group, all over a page."""

from __future__ import annotations

COLOURS = 7
"""Colours c0 … c6 that the style sheet has."""


def colour(number: int) -> str:
    """The CSS classes of a run or group, by its number on the page.

    The eighth to the fourteenth have the colours once more, with dotted lines and hollow marks.
    """
    again = " again" if number // COLOURS % 2 else ""
    return f"c{number % COLOURS}{again}"
