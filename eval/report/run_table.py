"""One run's accuracies: a row a target, with the interval over pairs drawn on a common scale."""

from __future__ import annotations

from dataclasses import dataclass

from eval.report.intervals import Axis, Bar, accuracies_scale, axis, bar
from eval.report.values import NOTHING
from eval.runs import Result, Run, TargetResult
from eval.wording import percent


@dataclass(frozen=True)
class Row:
    """One target; `figures` stand under `RunTable.columns`."""

    target: str
    accuracy: str
    interval: str
    pairs: str
    figures: tuple[str, ...]
    bar: Bar


@dataclass(frozen=True)
class RunTable:
    """The table; `axis` is that of all bars, None where there is no row."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    axis: Axis | None

    note = (
        "Accuracy: mean ± standard deviation over the folds. The interval is Wilson's, over the "
        "pairs: how far other pairs of this kind could move the figure of this network. It says "
        "nothing of other seeds."
    )


def run_table(run: Run) -> RunTable:
    """All targets of the run's verification, in the order of its file."""
    results = run.results.targets
    if not results:
        return RunTable((), (), None)
    pairs = list(run.results.verified.values())
    bounds = [bound for result in results.values() for bound in result.ci95]
    scale = accuracies_scale(bounds)
    rates = [
        rate
        for rate in dict.fromkeys(rate for result in pairs for rate in result.tar_at_far)
        if any(result.tar_at_far.get(rate) is not None for result in pairs)
    ]
    rows = tuple(
        Row(
            target=name,
            accuracy=_accuracy(result),
            interval=" to ".join(map(percent, result.ci95)),
            pairs=f"{result.trials}",
            figures=_figures(result, rates),
            bar=bar(scale, result.ci95, result.headline, 0),
        )
        for name, result in results.items()
    )
    columns = ("AUC, %", "EER, %", *(f"TAR at FAR {rate}, %" for rate in rates))
    return RunTable(columns, rows, axis(scale, about_zero=False))


def _accuracy(result: Result) -> str:
    """With the deviation over the folds, where there are folds."""
    if not isinstance(result, TargetResult):
        return percent(result.headline)
    return f"{percent(result.headline)} ± {percent(result.accuracy.std)}"


def _figures(result: Result, rates: list[str]) -> tuple[str, ...]:
    if not isinstance(result, TargetResult):
        return (NOTHING,) * (2 + len(rates))
    figures = (result.auc, result.eer, *(result.tar_at_far.get(rate) for rate in rates))
    return tuple(NOTHING if figure is None else percent(figure) for figure in figures)
