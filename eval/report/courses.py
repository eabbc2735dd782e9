"""One figure of every run over the training steps, and its mean over the runs of a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eval.groups import Group
from eval.report.charts import Chart, Line
from eval.report.colours import COLOURS
from eval.report.sections import Drawn, missing
from eval.runs import Run
from eval.series import Series

NO_METRICS = "metrics.jsonl is missing or does not hold it"

Logged = Mapping[str, Mapping[str, Series]]
"""Name of a run → name of a figure → its course."""


def of(found: Logged, key: str) -> Callable[[Run], Series | None]:
    """The course of one figure, by run."""
    return lambda run: found[run.name].get(key)


def course(
    groups: Sequence[Group],
    title: str,
    label: str,
    series_of: Callable[[Run], Series | None],
    why_missing: str,
    scale: float = 1,
    dots: bool = False,
    log_y: bool = False,
) -> Drawn:
    """The chart: thin lines for the runs of a group and a thick one for their mean.

    With dots, there is no mean. Of many groups the means alone are drawn, so that each is seen.
    """
    lines, without = [], []
    for number, group in enumerate(groups):
        found = {run.name: series_of(run) for run in group.runs}
        there = [series for series in found.values() if series is not None and series.steps]
        without += [name for name, series in found.items() if series is None or not series.steps]
        faint = len(group.runs) > 1
        if len(there) == 1 or not many(groups):
            for series in there:
                values = [scale * value for value in series.values]
                lines.append(Line(group.name, number, series.steps, values, dots=dots, faint=faint))
        if len(there) > 1 and (many(groups) or not dots):
            steps, means = _mean(there)
            values = [scale * value for value in means]
            lines.append(Line(group.name, number, steps, values, dots=dots))
    drawn = Chart(title, "training step", label, lines, log_y=log_y) if lines else None
    return drawn, missing(title, without, why_missing)


def many(groups: Sequence[Group]) -> bool:
    """More groups than colours: their single runs would hide each other."""
    return len(groups) > COLOURS


def kinds_of_line(groups: Sequence[Group]) -> str:
    """What the lines of `course` are, in one sentence; nothing where every group is one run."""
    if not any(len(group.runs) > 1 for group in groups):
        return ""
    if many(groups):
        return "Lines are means over the runs of a group."
    return "Thin lines are runs, thick lines their mean over the runs of a group."


def _mean(runs: Sequence[Series]) -> tuple[list[int], list[float]]:
    """The steps that all runs have, and the mean of the runs at each."""
    values = [dict(zip(series.steps, series.values, strict=True)) for series in runs]
    steps = sorted(set.intersection(*(set(each) for each in values)))
    return steps, [sum(each[step] for each in values) / len(values) for step in steps]
