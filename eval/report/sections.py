"""What a section of a page is made of: charts, and one sentence for what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.groups import Group
from eval.report.charts import Chart, Line
from eval.report.tables import Table
from eval.runs import Run

NO_SCORES = "the pairs' distances (.npz beside the verification file) are missing"

Drawn = tuple[Chart | None, list[str]]
"""A chart, None where nothing is there to draw, and what is missing of it."""


@dataclass(frozen=True)
class Section:
    """A heading, charts, remarks (what the charts show and what is missing), and tables.

    Charts of one stack stand below each other, so that their x axes line up.
    """

    title: str
    stacks: tuple[tuple[Chart, ...], ...]
    remarks: tuple[str, ...]
    tables: tuple[Table, ...] = ()

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All charts, stack by stack."""
        return tuple(chart for stack in self.stacks for chart in stack)


def section(title: str, drawn: Sequence[Drawn], about: str = "") -> Section:
    """A section of what could be drawn; `about` is said where there is anything to see."""
    stacks = tuple((chart,) for chart, _ in drawn if chart is not None)
    sentences = [sentence for _, found in drawn for sentence in found]
    return Section(title, stacks, tuple(([about] if about and stacks else []) + sentences))


def members(groups: Sequence[Group]) -> Iterator[tuple[int, Group, Run]]:
    """Each run with its group and the group's number, which is its colour."""
    for number, group in enumerate(groups):
        for run in group.runs:
            yield number, group, run


def missing(what: str, runs: Sequence[str], why: str) -> list[str]:
    """One sentence that names the runs without something; nothing where there are none."""
    return [f"{what}: nothing from {', '.join(runs)} ({why})."] if runs else []


def bins(low: float, high: float, count: int) -> NDArray[np.float64]:
    """The count + 1 edges of equal bins over low … high."""
    return np.linspace(low, high if high > low else low + 1, count + 1)


def histogram(
    name: str,
    colour: int,
    values: NDArray[np.float64],
    edges: NDArray[np.float64],
    area: bool = False,
    dashed: bool = False,
) -> Line:
    """A histogram as the outline of its bars, in % of its values."""
    counts, _ = np.histogram(values, edges)
    x = np.repeat(edges, 2)[1:-1]
    y = 100 * np.repeat(counts, 2) / max(len(values), 1)
    return Line(name, colour, x.tolist(), y.tolist(), area=area, dashed=dashed)
