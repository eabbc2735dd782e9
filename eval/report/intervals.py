"""Intervals on one common scale with round ticks: the picture column of a page's first table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.report.scale import Scale, linear, number

WIDTH, START, END = 300, 24, 276
"""Pixels of a cell's picture, and where its axis begins and ends; the rest is room for labels."""


@dataclass(frozen=True)
class Bar:
    """One interval in pixels; `shown`: whether its dot is filled."""

    low: float
    value: float
    high: float
    colour: int
    shown: bool


@dataclass(frozen=True)
class Axis:
    """The scale that all bars share: x and text of each tick; x of zero where it is marked."""

    ticks: tuple[tuple[float, str], ...]
    zero: float | None
    start: float = START
    end: float = END
    width: float = WIDTH


def differences_scale(bounds: Sequence[float]) -> Scale:
    """A scale in points that holds all bounds (shares of 1) and zero."""
    values = [100 * bound for bound in bounds]
    low, high = min(0.0, *values), max(0.0, *values)
    if high - low < 0.02:  # all intervals of no width at zero
        low, high = -0.1, 0.1
    return linear(low, high, START, END)


def accuracies_scale(bounds: Sequence[float]) -> Scale:
    """A scale in % that holds all bounds (shares of 1)."""
    return linear(100 * min(bounds), 100 * max(bounds), START, END)


def axis(scale: Scale, about_zero: bool) -> Axis:
    """The scale as it is drawn; `about_zero` for differences, whose zero stands out."""
    ticks = tuple((scale.at(tick), number(tick, signed=about_zero)) for tick in scale.ticks)
    return Axis(ticks, scale.at(0.0) if about_zero else None)


def bar(
    scale: Scale, bounds: tuple[float, float], value: float, colour: int, shown: bool = True
) -> Bar:
    """One interval and its middle value (shares of 1) on the scale."""
    low, middle, high = (scale.at(100 * v) for v in (bounds[0], value, bounds[1]))
    return Bar(low, middle, high, colour, shown)
