"""A comparison as tables of text, before anything is drawn: what all reports share.

Where groups have several runs a column is a group (mean ± spread over its runs), else a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.compare import Comparison, figure_over_runs
from eval.difference import Difference
from eval.groups import Group
from eval.report.values import NOTHING, by_group, value_rows
from eval.runs import Result, TargetResult
from eval.wording import evidence, interval, p_value, percent, points

CONFIG_DIFFERENCES = "Config differences"


@dataclass(frozen=True)
class Table:
    """A table before it is drawn: the first column names the row, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(comparison: Comparison) -> list[Table]:
    """Accuracies, verdicts, other tests, other figures, training, config; those with rows."""
    names = tuple(group.name for group in comparison.groups)
    groups = comparison.groups
    results = {target.name: target.results for target in comparison.targets}
    each = accuracies_of_runs if comparison.by_seed else accuracies
    candidates = [
        each(groups),
        *tests_tables(comparison),
        further_figures(groups, results),
        Table("Training", ("", *names), value_rows(groups, comparison.training)),
        Table(
            CONFIG_DIFFERENCES, ("key", *names), value_rows(groups, comparison.config_differences)
        ),
    ]
    return [table for table in candidates if table.rows]


def tests_tables(comparison: Comparison) -> list[Table]:
    """The verdicts and the other tests; those with rows."""
    return [t for t in (_verdicts(comparison), _other_tests(comparison)) if t.rows]


def targets_of(groups: Sequence[Group]) -> list[str]:
    """The names of all targets that any run was verified on, in that order."""
    runs = [run for group in groups for run in group.runs]
    return list(dict.fromkeys(name for run in runs for name in run.results.targets))


def accuracies(groups: Sequence[Group]) -> Table:
    """Accuracy of every run, a column each."""
    runs = [run for group in groups for run in group.runs]
    return Table(
        "Accuracy, %: mean ± standard deviation over the folds [95% interval over the pairs]",
        ("target", *(run.name for run in runs)),
        tuple(
            (name, *(_accuracy(run.results.verified.get(name)) for run in runs))
            for name in targets_of(groups)
        ),
    )


def accuracies_of_runs(groups: Sequence[Group]) -> Table:
    """Accuracy of every run, a row each."""
    names = targets_of(groups)
    return Table(
        "Accuracy of each run, %",
        ("run", "seed", *names),
        tuple(
            (
                run.name,
                NOTHING if run.seed is None else str(run.seed),
                *(
                    percent(run.results.targets[name].headline)
                    if name in run.results.targets
                    else NOTHING
                    for name in names
                ),
            )
            for group in groups
            for run in group.runs
        ),
    )


def further_figures(
    groups: Sequence[Group], results: dict[str, tuple[Result | None, ...]]
) -> Table:
    """AUC, EER and TAR at FAR, or top-5 and class error; `results`: target → each run's."""
    rows: list[tuple[str, ...]] = []
    for target, found in results.items():
        figures = [_further(result) for result in found]
        for name in dict.fromkeys(name for row in figures for name in row):
            values = [row.get(name) for row in figures]
            if any(value is not None for value in values):
                rows.append((f"{target} {name}", *by_group(groups, values, _mean)))
    columns = ("target", *(group.name for group in groups))
    return Table("Further figures, %", columns, tuple(rows))


def _further(result: Result | None) -> dict[str, float | None]:
    if isinstance(result, TargetResult):
        tar = {f"TAR at FAR {far}": share for far, share in result.tar_at_far.items()}
        return {"AUC": result.auc, "EER": result.eer} | tar
    if result is None:
        return {}
    return {"top-5": result.top5, "mean class error": result.mean_class_error}


def _accuracy(result: TargetResult | None) -> str:
    if result is None:
        return NOTHING
    accuracy = result.accuracy
    low, high = (percent(bound) for bound in accuracy.ci95)
    return f"{percent(accuracy.mean)} ± {percent(accuracy.std)} [{low}, {high}]"


def _mean(values: list[float]) -> str:
    figure = figure_over_runs(values)
    if figure is None:
        return NOTHING
    return percent(figure.mean) + ("" if figure.std is None else f" ± {percent(figure.std)}")


def _verdicts(comparison: Comparison) -> Table:
    """The judged tests with what they come from and could have shown."""
    every = [d for target in comparison.targets for d in target.differences]
    judged = [d for d in every if d.verdict is not None]
    asked = [100 * d.needed.difference for d in judged if d.needed is not None]
    seeds = [f"seeds for {asked[0]:g} points"] if asked else []
    columns = ("test", "from", "p", "p (Holm)", "could show, points", *seeds)
    rows = [(*_head(comparison, d), *_verdict_cells(d)[: len(columns)]) for d in judged]
    return Table(
        f"The verdicts on {comparison.metric.label}{_minus(comparison)}",
        (*_head_columns(comparison), *columns),
        tuple(rows),
    )


def _verdict_cells(difference: Difference) -> tuple[str, ...]:
    verdict, needed = difference.verdict, difference.needed
    assert verdict is not None
    return (
        verdict.test,
        evidence(difference),
        p_value(verdict.p),
        p_value(verdict.p_holm),
        NOTHING if difference.resolves is None else percent(difference.resolves),
        NOTHING
        if needed is None
        else f"{needed.seeds} ({needed.interval[0]}–{needed.interval[1]})",
    )


def _other_tests(comparison: Comparison) -> Table:
    """Every test that was possible and gives no verdict, one a row."""
    rows = [
        (*_head(comparison, d), *cells)
        for target in comparison.targets
        for d in target.differences
        for cells in _test_cells(d)
    ]
    columns = ("test", "difference", "95% interval", "p", "from")
    return Table(
        f"Other tests of {comparison.metric.label}{_minus(comparison)}, points; uncorrected, they "
        "decide nothing",
        (*_head_columns(comparison), *columns),
        tuple(rows),
    )


def _test_cells(d: Difference) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    if d.by_seed and d.design != "same seeds" and d.by_seed.standard_error > 0:
        rows.append(("paired t by seed", *_tested(d.by_seed), f"{d.by_seed.n} seeds"))
    if d.seeds and d.design != "other seeds":
        runs = f"{d.seeds.runs[0]} and {d.seeds.runs[1]} seeds"
        rows.append(("Welch's t over seeds", *_tested(d.seeds), runs))
    if d.mcnemar:
        only = f"{d.mcnemar.only_second} against {d.mcnemar.only_first} pairs"
        rows.append(("McNemar's exact test", NOTHING, NOTHING, p_value(d.mcnemar.p), only))
    if d.bootstrap:
        figures = (points(d.bootstrap.mean), interval(d.bootstrap.interval), NOTHING)
        rows.append(("bootstrap over pairs", *figures, f"{d.bootstrap.resamples} draws"))
    if d.folds and d.design != "folds":
        rows.append(("paired t over folds", *_tested(d.folds), f"{d.folds.n} folds"))
    return rows


def _minus(comparison: Comparison) -> str:
    """Whose differences a table shows, for its title."""
    reference, *others = (group.name for group in comparison.groups)
    return f" of {others[0]} − {reference}" if len(others) == 1 else f" minus that of {reference}"


def _head_columns(comparison: Comparison) -> tuple[str, ...]:
    return ("target",) if len(comparison.groups) == 2 else ("target", "group")


def _head(comparison: Comparison, difference: Difference) -> tuple[str, ...]:
    return (difference.target, difference.name)[: len(_head_columns(comparison))]


class _Test(Protocol):
    """What Welch's and the paired t have in common."""

    @property
    def mean(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float]: ...
    @property
    def p(self) -> float: ...


def _tested(found: _Test) -> tuple[str, str, str]:
    return points(found.mean), interval(found.interval), p_value(found.p)
