"""The judged differences with their 95% intervals about zero as one picture: what lies where."""

from __future__ import annotations

from dataclasses import dataclass

from eval.compare import Comparison
from eval.report.charts import COLOURS

LONGEST_LABEL = 38
"""Characters of a label inside a picture, where nothing can be wrapped."""

ROW, MIDDLE, HALF, TOP = 46, 180, 160, 12
"""Pixels: height of a row; x of zero and of the farthest bound from it; where the rows begin."""


@dataclass(frozen=True)
class Interval:
    """One difference: its text, and in pixels its height, its bounds and its mean."""

    label: str
    points: float
    shown: bool
    colour: int
    y: int
    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class Intervals:
    """The picture; `ends` are the marks under its axis: x, CSS class, points."""

    caption: str
    rows: tuple[Interval, ...]
    bottom: int
    ends: tuple[tuple[int, str, float], ...]
    middle: int = MIDDLE
    top: int = TOP


def intervals(comparison: Comparison) -> Intervals | None:
    """None where no difference was judged."""
    judged = [
        (comparison.groups.index(group), difference, difference.verdict)
        for target in comparison.targets
        for group, difference in zip(comparison.groups[1:], target.differences, strict=True)
        if difference.verdict is not None
    ]
    if not judged:
        return None
    reach = max(abs(bound) for *_, v in judged for bound in (*v.interval, v.mean)) or 1e-4
    rows = []
    for index, (number, difference, verdict) in enumerate(judged):
        low, high, mean = (MIDDLE + HALF * v / reach for v in (*verdict.interval, verdict.mean))
        name = f"{difference.name} on {difference.target}"
        rows.append(
            Interval(
                label=name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…",
                points=100 * verdict.mean,
                shown=difference.shown,
                colour=number % COLOURS,
                y=TOP + ROW * index + 34,
                low=low,
                high=high,
                mean=mean,
            )
        )
    return Intervals(
        caption=f"Difference to {comparison.groups[0].name}, points, with 95% interval",
        rows=tuple(rows),
        bottom=TOP + ROW * len(rows),
        ends=(
            (MIDDLE - HALF, "start", -100 * reach),
            (MIDDLE + HALF, "end", 100 * reach),
            (MIDDLE, "mid", 0.0),
        ),
    )
