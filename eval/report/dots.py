"""The accuracy of every run on a target as a picture: a row a group, a dot a run.

Runs of one seed in two groups are joined, so that a glance tells whether they go together. A run by
itself has its 95% interval over the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.groups import Group
from eval.metric import ACCURACY, TOP1, Metric
from eval.report.scale import Scale, linear, number
from eval.runs import Run
from eval.wording import percent

ROW, FIRST, BELOW = 42, 30, 42
"""Pixels: height of a row; from the top to the first row's dots; below the last row, the axis."""

START, END = 22, 338
LONGEST_LABEL = 40
"""Characters of a group's name inside a picture, where nothing can be wrapped."""


Verified = tuple[Run, float, tuple[float, float]]
"""A run, its figure, and the interval of that figure over the pairs (no width if unknown)."""


@dataclass(frozen=True)
class Row:
    """One group: its name, mean accuracy, colour and height; in pixels its runs and more.

    `dots` are each run's x and what its tooltip says; `mean` is there for several runs, `interval`
    for one.
    """

    name: str
    accuracy: str
    colour: int
    y: float
    dots: tuple[tuple[float, str], ...]
    mean: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Dots:
    """The picture. `ticks` are x and text; `links` are x, y, x, y between two runs of one seed."""

    title: str
    unit: str
    told: str
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    links: tuple[tuple[float, float, float, float], ...]
    bottom: float
    height: float


def dots(groups: Sequence[Group], target: str, metric: Metric = ACCURACY) -> Dots | None:
    """The picture of one target; None where no run has the figure for it."""
    members = [
        (number, group.name, found)
        for number, group in enumerate(groups)
        if (found := _verified(group, target, metric))
    ]
    if not members:
        return None
    values = [value for *_, found in members for value in _extent(found)]
    scale = linear(100 * min(values), 100 * max(values), START, END, padded=True)
    rows = tuple(
        _row(name, colour, found, scale, FIRST + ROW * k)
        for k, (colour, name, found) in enumerate(members)
    )
    name = metric.label[0].upper() + metric.label[1:]
    told = "; ".join(f"{row.name}: {', '.join(text for _, text in row.dots)}" for row in rows)
    bottom = FIRST + ROW * (len(rows) - 1) + 14
    return Dots(
        title=f"{name} on {target}",
        unit="10-fold accuracy, %" if metric == ACCURACY else f"{name}, %",
        told=f"{name} on {target}, %. {told}",
        rows=rows,
        ticks=tuple((scale.at(tick), number(tick)) for tick in scale.ticks),
        links=_links([found for *_, found in members], rows),
        bottom=bottom,
        height=bottom + BELOW,
    )


def _verified(group: Group, target: str, metric: Metric) -> list[Verified]:
    found = [(run, run.results.targets.get(target)) for run in group.runs]
    return [
        (run, value, result.ci95 if metric in (ACCURACY, TOP1) else (value, value))
        for run, result in found
        if result is not None and (value := metric.read(result)) is not None
    ]


def _extent(found: Sequence[Verified]) -> list[float]:
    """What a row shows: its runs, or the interval of a single one."""
    if len(found) == 1:
        return list(found[0][2])
    return [value for _, value, _ in found]


def _row(name: str, colour: int, found: Sequence[Verified], scale: Scale, y: float) -> Row:
    shares = [value for _, value, _ in found]
    mean, single = sum(shares) / len(shares), len(shares) == 1
    low, high = (scale.at(100 * bound) for bound in found[0][2])
    return Row(
        name=name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…",
        accuracy=f"{percent(mean)}%",
        colour=colour,
        y=y,
        dots=tuple(
            (scale.at(100 * share), f"{run.name}: {percent(share)}%")
            for (run, *_), share in zip(found, shares, strict=True)
        ),
        mean=None if single else scale.at(100 * mean),
        interval=(low, high) if single else None,
    )


def _links(
    members: Sequence[Sequence[Verified]], rows: Sequence[Row]
) -> tuple[tuple[float, float, float, float], ...]:
    """Between neighbouring rows of several runs, where one seed is in both."""
    places = [
        {
            str(run.seed): x
            for (run, *_), (x, _) in zip(found, row.dots, strict=True)
            if run.seed is not None
        }
        for found, row in zip(members, rows, strict=True)
    ]
    return tuple(
        (x, upper.y, below[seed], lower.y)
        for above, below, upper, lower in zip(places, places[1:], rows, rows[1:], strict=False)
        if len(above) > 1 and len(below) > 1
        for seed, x in above.items()
        if seed in below
    )
