"""Compare two or more runs, or groups of runs with different seeds.

The first is the reference. All reports are rendered from `Comparison`: it holds the data read, the
statistics and the verdicts, but no presentation.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from eval.conditions import KeyValues, caveats, config_differences, training, warnings
from eval.difference import Difference
from eval.groups import Group
from eval.judge import compare_groups, with_verdicts
from eval.metric import ACCURACY, Metric
from eval.runs import Result, Run, read_runs

RESOLVE = 0.001
"""Default of `resolve`: 0.1 points, the smallest difference in the paper's table."""


@dataclass(frozen=True)
class GroupFigure:
    """A figure over the runs of a group; `std` (divisor n − 1) needs at least two runs."""

    runs: int
    mean: float
    std: float | None


@dataclass(frozen=True)
class TargetComparison:
    """One target: each run's result (None if missing) and each group's difference to the first.

    `accuracies` has one entry per group, over the runs that have the target: the figure compared,
    whatever the metric.
    """

    name: str
    results: tuple[Result | None, ...]
    accuracies: tuple[GroupFigure | None, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """All results of a comparison, in the order in which the runs were given."""

    groups: tuple[Group, ...]
    targets: tuple[TargetComparison, ...]
    config_differences: tuple[KeyValues, ...]
    training: tuple[KeyValues, ...]
    warnings: tuple[str, ...]
    caveats: tuple[str, ...]
    metric: Metric = ACCURACY

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, group by group; rows of values per run have this order."""
        return tuple(run for group in self.groups for run in group.runs)

    @property
    def by_seed(self) -> bool:
        """Whether any group has several runs."""
        return any(len(group.runs) > 1 for group in self.groups)

    def to_json(self) -> dict[str, Any]:
        """Plain Python values, as written to compare.json."""
        names = [run.name for run in self.runs]
        return {
            "schema": 1,
            "reference": self.groups[0].name,
            "groups": {group.name: [run.name for run in group.runs] for group in self.groups},
            "runs": [_run_json(run) for run in self.runs],
            "targets": {target.name: self._target_json(target) for target in self.targets},
            "config_differences": _by_run(self.config_differences, names),
            "training": _by_run(self.training, names),
            "warnings": list(self.warnings),
            "caveats": list(self.caveats),
        }

    def _target_json(self, target: TargetComparison) -> dict[str, Any]:
        return {
            "results": {
                run.name: None if result is None else result.model_dump(mode="json")
                for run, result in zip(self.runs, target.results, strict=True)
            },
            "accuracies": {
                group.name: None if figure is None else asdict(figure)
                for group, figure in zip(self.groups, target.accuracies, strict=True)
            },
            "differences": [difference.to_json() for difference in target.differences],
        }


def compare(
    paths: Sequence[Path] = (),
    groups: Mapping[str, Sequence[Path]] | None = None,
    resolve: float = RESOLVE,
) -> Comparison:
    """Compare runs (directories or verification files), single or in groups of several seeds.

    Args:
        paths: single runs; the first one is the reference.
        groups: name → runs of one recipe with different seeds; they follow `paths`.
        resolve: the difference, as a fraction, for which to compute the number of seeds needed.

    Raises:
        UserError: fewer than two runs or groups, or nothing to compare between any two.
        DataError: a run is missing or broken.
    """
    if not 0 < resolve < 1:
        raise UserError(
            f"the difference to resolve must be between 0 and 100 points, not {100 * resolve:g}"
        )
    read = _read_groups(paths, groups or {})
    runs = [run for group in read for run in group.runs]
    names = list(dict.fromkeys(name for run in runs for name in run.results.targets))
    differences = with_verdicts(
        [compare_groups(name, read[0], group) for name in names for group in read[1:]], resolve
    )
    if all(difference.folds is None for difference in differences):
        raise UserError(
            "these runs cannot be compared on any target: "
            + "; ".join(f"{d.target}: {d.sentence}" for d in differences)
        )
    return comparison_of(read, names, differences)


def comparison_of(
    groups: Sequence[Group],
    targets: Sequence[str],
    differences: Sequence[Difference],
    changed: Collection[str] = ("regularizer",),
    metric: Metric = ACCURACY,
) -> Comparison:
    """Differences of the groups to the first one, with verdicts, and what else is known of them.

    `changed`: keys and sections of the config that the groups differ in on purpose; `metric`: what
    was compared.
    """
    runs = [run for group in groups for run in group.runs]
    return Comparison(
        groups=tuple(groups),
        targets=tuple(_target(name, groups, differences, metric) for name in targets),
        config_differences=config_differences(runs),
        training=training(runs, targets),
        warnings=tuple(warnings(groups, differences, changed)),
        caveats=caveats(groups, differences),
        metric=metric,
    )


def figure_over_runs(values: Sequence[float]) -> GroupFigure | None:
    """Mean and spread of one figure over the runs of a group; None for no values."""
    if not values:
        return None
    spread = statistics.stdev(values) if len(values) > 1 else None
    return GroupFigure(len(values), statistics.fmean(values), spread)


def _read_groups(paths: Sequence[Path], groups: Mapping[str, Sequence[Path]]) -> list[Group]:
    if len(paths) + len(groups) < 2:
        raise UserError(
            "a comparison needs at least two runs or groups; the first one is the reference"
        )
    empty = [name for name, members in groups.items() if not members]
    if empty:
        raise UserError(f"group {empty[0]}: has no runs")
    _check_once(groups)
    everything = [*paths, *(path for members in groups.values() for path in members)]
    runs = iter(read_runs(everything))
    read = []
    for _ in paths:
        run = next(runs)
        read.append(Group(run.name, (run,)))
    for name, members in groups.items():
        if any(group.name == name for group in read):
            raise UserError(f"group {name}: a run has the same name; choose another")
        read.append(Group(name, tuple(next(runs) for _ in members)))
    return read


def _check_once(groups: Mapping[str, Sequence[Path]]) -> None:
    """Raise UserError if a run is given twice; a glob like arcface* also matches arcface_plus."""
    seen: dict[Path, str] = {}
    for name, members in groups.items():
        for path in members:
            before = seen.setdefault(Path(path).resolve(), name)
            if before != name or list(map(Path, members)).count(Path(path)) > 1:
                where = f"group {name} twice" if before == name else f"groups {before} and {name}"
                raise UserError(f"{path}: is in {where}; give each run once, in one group")


def _target(
    name: str, groups: Sequence[Group], differences: Sequence[Difference], metric: Metric
) -> TargetComparison:
    results = [[run.results.targets.get(name) for run in group.runs] for group in groups]
    return TargetComparison(
        name=name,
        results=tuple(result for members in results for result in members),
        accuracies=tuple(figure_over_runs(group.values(name, metric)) for group in groups),
        differences=tuple(d for d in differences if d.target == name),
    )


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "results_file": str(run.results_file),
        "step": run.step,
        "seed": run.seed,
        "checkpoint": run.results.checkpoint,
        "protocol": run.results.protocol,
        "flip": run.results.flip,
    }


def _by_run(rows: Sequence[KeyValues], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Key → run → value; a run without the key is left out."""
    return {
        row.key: {
            name: json.loads(value)
            for name, value in zip(names, row.values, strict=True)
            if value is not None
        }
        for row in rows
    }
