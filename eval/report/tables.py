"""A comparison as tables of text, before anything is drawn: what all reports share.

Where groups have several runs a column is a group (mean ± spread over its runs), else a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from eval.compare import Comparison, figure_over_runs
from eval.conditions import KeyValues
from eval.judge import Difference, format_p
from eval.runs import TargetResult

NOTHING = "—"
CONFIG_DIFFERENCES = "Config differences"
T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """A table before it is drawn: the first column names the row, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(comparison: Comparison) -> list[Table]:
    """Accuracies, differences, the other figures, training, config; those that have rows."""
    names = tuple(group.name for group in comparison.groups)
    values = [
        Table("Training", ("", *names), _value_rows(comparison, comparison.training)),
        Table(
            CONFIG_DIFFERENCES,
            ("key", *names),
            _value_rows(comparison, comparison.config_differences),
        ),
    ]
    candidates = [
        *(_accuracies_by_seed(comparison) if comparison.by_seed else [_accuracies(comparison)]),
        _differences(comparison),
        _reported(comparison),
        Table("Further figures in %", ("target", *names), tuple(_further_rows(comparison))),
        *values,
    ]
    return [table for table in candidates if table.rows]


def _accuracies(comparison: Comparison) -> Table:
    return Table(
        "Accuracy in %: mean ± standard deviation over the folds [95% interval]",
        ("target", *(run.name for run in comparison.runs)),
        tuple((t.name, *map(_accuracy, t.results)) for t in comparison.targets),
    )


def _accuracies_by_seed(comparison: Comparison) -> list[Table]:
    groups = [
        f"{group.name} ({len(group.runs)} run{'s' if len(group.runs) > 1 else ''})"
        for group in comparison.groups
    ]
    over_seeds = Table(
        "Accuracy in %: mean ± standard deviation over the runs",
        ("target", *groups),
        tuple(
            (t.name, *(_spread(f.mean, f.std) if f else NOTHING for f in t.accuracies))
            for t in comparison.targets
        ),
    )
    each = Table(
        "Accuracy in % of each run",
        ("run", "seed", *(target.name for target in comparison.targets)),
        tuple(
            (
                run.name,
                NOTHING if run.seed is None else str(run.seed),
                *(
                    NOTHING if (r := t.results[i]) is None else _percent(r.accuracy.mean)
                    for t in comparison.targets
                ),
            )
            for i, run in enumerate(comparison.runs)
        ),
    )
    return [over_seeds, each]


def _accuracy(result: TargetResult | None) -> str:
    if result is None:
        return NOTHING
    accuracy = result.accuracy
    low, high = (_percent(bound) for bound in accuracy.ci95)
    return f"{_percent(accuracy.mean)} ± {_percent(accuracy.std)} [{low}, {high}]"


def _differences(comparison: Comparison) -> Table:
    every = [d for target in comparison.targets for d in target.differences]
    asked = [100 * d.needed.difference for d in every if d.needed is not None]
    seeds = [f"seeds for {asked[0]:g}"] if asked else []
    columns = ("mean", "95% interval", "p", "p (Holm)", "shown", "resolves", *seeds)
    rows = [(*_head(comparison, d), *_verdict_cells(d)[: len(columns)]) for d in every]
    return Table(
        f"Accuracy{_minus(comparison)}, in points",
        (*_head_columns(comparison), *columns),
        tuple(rows),
    )


def _verdict_cells(difference: Difference) -> tuple[str, ...]:
    verdict, needed = difference.verdict, difference.needed
    if verdict is None:
        unjudged = "not judged" if difference.folds else "not compared"
        return (*[NOTHING] * 4, unjudged, NOTHING, NOTHING)
    return (
        _points(verdict.mean),
        _interval(verdict.interval),
        _p(verdict.p),
        _p(verdict.p_holm),
        "yes" if difference.shown else "no",
        NOTHING if difference.resolves is None else _percent(difference.resolves),
        NOTHING
        if needed is None
        else f"{needed.seeds} ({needed.interval[0]}–{needed.interval[1]})",
    )


def _reported(comparison: Comparison) -> Table:
    """Every test that was possible, the judged ones too, one a row."""
    rows = [
        (*_head(comparison, d), *cells)
        for target in comparison.targets
        for d in target.differences
        for cells in _test_cells(d)
    ]
    columns = ("test", "mean", "95% interval", "p", "from")
    return Table(
        f"All tests of accuracy{_minus(comparison)}, in points",
        (*_head_columns(comparison), *columns),
        tuple(rows),
    )


def _test_cells(d: Difference) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    if d.seeds:
        runs = f"{d.seeds.runs[0]} and {d.seeds.runs[1]} seeds"
        rows.append(("Welch's t over seeds", *_tested(d.seeds), runs))
    if d.by_seed:
        rows.append(("paired t by seed", *_tested(d.by_seed), f"{d.by_seed.n} seeds"))
    if d.mcnemar:
        only = f"{d.mcnemar.only_second} against {d.mcnemar.only_first}"
        rows.append(("McNemar's exact test", NOTHING, NOTHING, _p(d.mcnemar.p), only))
    if d.bootstrap:
        figures = (_points(d.bootstrap.mean), _interval(d.bootstrap.interval), NOTHING)
        rows.append(("bootstrap over pairs", *figures, f"{d.bootstrap.resamples} draws"))
    if d.folds:
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
    return _points(found.mean), _interval(found.interval), _p(found.p)


def _further_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for target in comparison.targets:
        figures: list[dict[str, float | None]] = [
            {"AUC": result.auc, "EER": result.eer}
            | {f"TAR at FAR {far}": tar for far, tar in result.tar_at_far.items()}
            if result is not None
            else {}
            for result in target.results
        ]
        for name in dict.fromkeys(name for row in figures for name in row):
            values = [row.get(name) for row in figures]
            if any(value is not None for value in values):
                cells = _by_group(comparison, values, _mean)
                rows.append((f"{target.name} {name}", *cells))
    return rows


def _value_rows(comparison: Comparison, rows: Sequence[KeyValues]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (row.key, *_by_group(comparison, row.values, partial(_values, row.key))) for row in rows
    )


def _by_group(
    comparison: Comparison, values: Sequence[T | None], cell: Callable[[list[T]], str]
) -> list[str]:
    """One cell a group, made of its runs' values that are there."""
    rest = iter(values)
    parts = [[next(rest) for _ in group.runs] for group in comparison.groups]
    return [cell([value for value in part if value is not None]) for part in parts]


def _mean(values: list[float]) -> str:
    figure = figure_over_runs(values)
    return NOTHING if figure is None else _spread(figure.mean, figure.std)


def _values(key: str, texts: list[str]) -> str:
    """The values of a group's runs: all that differ if few, else the ends."""
    distinct = list(dict.fromkeys(texts))
    if len(distinct) <= 5 and not (len(distinct) > 1 and all(_is_float(t) for t in distinct)):
        return ", ".join(_value(key, text) for text in distinct) or NOTHING
    numbers = sorted((json.loads(text), text) for text in distinct if _is_number(text))
    if len(numbers) < len(distinct):
        return f"{len(distinct)} different values"
    return f"{_value(key, numbers[0][1])} to {_value(key, numbers[-1][1])}"


def _is_number(text: str) -> bool:
    value = json.loads(text)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_float(text: str) -> bool:
    return isinstance(json.loads(text), float)


def _value(key: str, text: str) -> str:
    """A JSON value as a reader wants it: strings bare, numbers short, seconds as a time."""
    content = json.loads(text)
    if isinstance(content, str):
        return content
    if isinstance(content, float | int) and not isinstance(content, bool):
        if key.endswith("seconds") and content >= 60:
            minutes, seconds = divmod(round(content), 60)
            return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        return f"{content:.6g}" if isinstance(content, float) else str(content)
    return text


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _spread(mean: float, std: float | None) -> str:
    return _percent(mean) if std is None else f"{_percent(mean)} ± {_percent(std)}"


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _interval(bounds: tuple[float, float]) -> str:
    return f"{_points(bounds[0])} to {_points(bounds[1])}"


def _p(p: float) -> str:
    return format_p(p).removeprefix("p = ").removeprefix("p ")
