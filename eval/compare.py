"""Two or more runs, or groups of runs by seed → one comparison.

The first is the reference. `Comparison` is what every report is rendered from: it holds what was
read, what was computed and what it means, and nothing of how it is drawn.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from eval.conditions import KeyValues, caveats, config_differences, training, warnings
from eval.difference import Difference
from eval.groups import Group
from eval.judge import compare_groups, with_verdicts
from eval.runs import Run, TargetResult, read_runs

RESOLVE = 0.001
"""The difference asked about by default: 0.1 points, the smallest the paper's table claims."""


@dataclass(frozen=True)
class GroupFigure:
    """A figure over the runs of a group; the spread (n − 1 in its divisor) needs two runs."""

    runs: int
    mean: float
    std: float | None


@dataclass(frozen=True)
class TargetComparison:
    """One target: each run's result (None where it has none), the others against the first.

    `accuracies` are one per group, over the runs that have the target.
    """

    name: str
    results: tuple[TargetResult | None, ...]
    accuracies: tuple[GroupFigure | None, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that is said about the runs, in the order in which they were given."""

    groups: tuple[Group, ...]
    targets: tuple[TargetComparison, ...]
    config_differences: tuple[KeyValues, ...]
    training: tuple[KeyValues, ...]
    warnings: tuple[str, ...]
    caveats: tuple[str, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, group by group: the order of every row of values by run."""
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
    """Compare runs (directories or verification files), each for itself or grouped by seed.

    Args:
        paths: runs that are compared for themselves; the first given is the reference.
        groups: name → runs of one recipe with different seeds; after `paths`.
        resolve: the difference, as a share of 1, for which the seeds needed are told.

    Raises:
        UserError: fewer than two runs or groups, or nothing to compare between any two.
        DataError: a run is missing or broken.
    """
    if not 0 < resolve < 1:
        raise UserError(
            f"the difference to resolve must lie between 0 and 100 points, not {100 * resolve:g}"
        )
    read = _read_groups(paths, groups or {})
    runs = [run for group in read for run in group.runs]
    names = list(dict.fromkeys(name for run in runs for name in run.results.targets))
    differences = with_verdicts(
        [compare_groups(name, read[0], group, resolve) for name in names for group in read[1:]]
    )
    if all(difference.folds is None for difference in differences):
        raise UserError(
            "the runs have nothing to compare: "
            + "; ".join(f"{d.target}: {d.sentence}" for d in differences)
        )
    return Comparison(
        groups=tuple(read),
        targets=tuple(_target(name, read, differences) for name in names),
        config_differences=config_differences(runs),
        training=training(runs, names),
        warnings=tuple(warnings(read, differences)),
        caveats=caveats(read, differences),
    )


def figure_over_runs(values: Sequence[float]) -> GroupFigure | None:
    """Mean and spread of one figure over the runs of a group; None for no values."""
    if not values:
        return None
    spread = statistics.stdev(values) if len(values) > 1 else None
    return GroupFigure(len(values), statistics.fmean(values), spread)


def _read_groups(paths: Sequence[Path], groups: Mapping[str, Sequence[Path]]) -> list[Group]:
    if len(paths) + len(groups) < 2:
        raise UserError("a comparison needs at least two runs or groups, the first the reference")
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
            raise UserError(f"group {name}: a run has that name too; choose another")
        read.append(Group(name, tuple(next(runs) for _ in members)))
    return read


def _check_once(groups: Mapping[str, Sequence[Path]]) -> None:
    """A run counted twice is no second seed; a glob like arcface* finds arcface_plus too."""
    seen: dict[Path, str] = {}
    for name, members in groups.items():
        for path in members:
            before = seen.setdefault(Path(path).resolve(), name)
            if before != name or list(map(Path, members)).count(Path(path)) > 1:
                where = f"group {name} twice" if before == name else f"groups {before} and {name}"
                raise UserError(f"{path}: is in {where}; give each run once, in one group")


def _target(
    name: str, groups: Sequence[Group], differences: Sequence[Difference]
) -> TargetComparison:
    results = [[run.results.targets.get(name) for run in group.runs] for group in groups]
    return TargetComparison(
        name=name,
        results=tuple(result for members in results for result in members),
        accuracies=tuple(
            figure_over_runs([r.accuracy.mean for r in members if r is not None])
            for members in results
        ),
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
