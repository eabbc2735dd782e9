"""Two or more runs → one comparison: how far apart, how sure, and what else differs.

The first run is the reference. Differences are taken fold by fold on the same pairs, which needs
nothing but the verification files. `Comparison` is what every report is rendered from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from eval.runs import Run, TargetResult, read_runs
from eval.statistics import PairedDifference, paired_difference

SIGNIFICANCE = 0.05
"""Below this p a difference counts as shown; goes with the 95% intervals."""

SEED_CAVEAT = (
    "There is one run each, so this compares trained networks, not methods: the spread from seed "
    "to seed is not in these intervals. Two runs of one recipe have differed by 0.14 points on "
    "LFW; a smaller difference can be the seed's even where p is small."
)
FOLD_CAVEAT = (
    "Folds are parts of one test set, not repetitions of the training: all ten share the same "
    "training noise, and their thresholds are chosen on each other's pairs."
)
PAIRING_CAVEAT = (
    "That two verification files speak of the same pairs is judged by their counts alone."
)


@dataclass(frozen=True)
class Difference:
    """A run against the reference on one target; `paired` is None where they cannot be compared.

    `paired.mean` is run − reference, as a share of 1; `verdict` is one sentence.
    """

    reference: str
    run: str
    paired: PairedDifference | None
    verdict: str

    @property
    def shown(self) -> bool:
        """Whether a difference between the two networks could be shown."""
        return self.paired is not None and self.paired.p < SIGNIFICANCE


@dataclass(frozen=True)
class TargetComparison:
    """One target: each run's result (None where it has none), the others against the first."""

    name: str
    results: tuple[TargetResult | None, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class KeyValues:
    """One key of config or summary and each run's value, None where it has no such key."""

    key: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that is said about the runs, in the order in which they were given."""

    runs: tuple[Run, ...]
    targets: tuple[TargetComparison, ...]
    config_differences: tuple[KeyValues, ...]
    training: tuple[KeyValues, ...]
    warnings: tuple[str, ...]
    caveats: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain Python values, as written to compare.json."""
        names = [run.name for run in self.runs]
        return {
            "schema": 1,
            "reference": names[0],
            "runs": [_run_json(run) for run in self.runs],
            "targets": {target.name: _target_json(target, names) for target in self.targets},
            "config_differences": _by_run(self.config_differences, names),
            "training": _by_run(self.training, names),
            "warnings": list(self.warnings),
            "caveats": list(self.caveats),
        }


def compare(paths: Sequence[Path]) -> Comparison:
    """Compare runs (directories or verification files); the first is the reference.

    Raises:
        UserError: fewer than two runs, or nothing that could be compared between any two.
        DataError: a run is missing or broken.
    """
    if len(paths) < 2:
        raise UserError("a comparison needs at least two runs, the first being the reference")
    runs = read_runs(paths)
    names = list(dict.fromkeys(name for run in runs for name in run.results.targets))
    targets = tuple(_compare_target(name, runs) for name in names)
    tests = sum(d.paired is not None for target in targets for d in target.differences)
    if tests == 0:
        raise UserError(
            "the runs have nothing to compare: "
            + "; ".join(f"{t.name}: {d.verdict}" for t in targets for d in t.differences)
        )
    config_differences = _config_differences(runs)
    return Comparison(
        runs=tuple(runs),
        targets=targets,
        config_differences=config_differences,
        training=_training(runs, names),
        warnings=tuple(_warnings(runs, targets, config_differences)),
        caveats=_caveats(tests),
    )


def _compare_target(name: str, runs: Sequence[Run]) -> TargetComparison:
    results = tuple(run.results.targets.get(name) for run in runs)
    differences = []
    for run, result in zip(runs[1:], results[1:], strict=True):
        paired, verdict = _judge(runs[0].name, results[0], run.name, result)
        differences.append(Difference(runs[0].name, run.name, paired, verdict))
    return TargetComparison(name, results, tuple(differences))


def _judge(
    reference_name: str, reference: TargetResult | None, name: str, result: TargetResult | None
) -> tuple[PairedDifference | None, str]:
    if reference is None or result is None:
        missing = reference_name if reference is None else name
        return None, f"not compared: {missing} has no result for it"
    if reference.pair_file != result.pair_file:
        return None, (
            f"not compared: other pairs ({_pairs(reference_name, reference)}; "
            f"{_pairs(name, result)})"
        )
    paired = paired_difference(reference.accuracy.folds, result.accuracy.folds)
    low, high = (100 * bound for bound in paired.interval)
    figures = f"95% interval {low:+.2f} to {high:+.2f}, {format_p(paired.p)}"
    if paired.p >= SIGNIFICANCE:
        return paired, (
            f"no difference could be shown between {name} and {reference_name} "
            f"({100 * paired.mean:+.2f} points, {figures})"
        )
    better = "better" if paired.mean > 0 else "worse"
    return paired, (
        f"{name} is {better} than {reference_name} by {abs(100 * paired.mean):.2f} points "
        f"on these pairs ({figures})"
    )


def format_p(p: float) -> str:
    """A p-value as it is written in a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _pairs(name: str, result: TargetResult) -> str:
    pairs, same, images, unique, folds = result.pair_file
    return f"{name}: {pairs} pairs, {same} same, {images} images, {unique} unique, {folds} folds"


def _config_differences(runs: Sequence[Run]) -> tuple[KeyValues, ...]:
    """Keys whose values are not the same in all the runs that have a config."""
    configs = [run.config for run in runs]
    present = [config for config in configs if config is not None]
    keys = list(dict.fromkeys(key for config in present for key in config))
    rows = []
    for key in keys:
        values = [_shown(config, key) for config in present]
        if len(set(values)) > 1:
            rows.append(KeyValues(key, tuple(_shown(config, key) for config in configs)))
    return tuple(rows)


def _training(runs: Sequence[Run], targets: Sequence[str]) -> tuple[KeyValues, ...]:
    """What summary.json says of losses, time, throughput and memory: its numbers.

    Accuracies are left out: the verification files have them, and at the step compared.
    """
    rows: dict[str, None] = {}
    for run in runs:
        for key, value in (run.summary or {}).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            accuracy = "accurac" in key or not set(key.split(".")).isdisjoint(targets)
            if number and not accuracy and key != "schema":
                rows[key] = None
    return tuple(KeyValues(key, tuple(_shown(run.summary, key) for run in runs)) for key in rows)


def _shown(mapping: dict[str, Any] | None, key: str) -> str | None:
    """A key's value as JSON text, None where there is no such key."""
    if mapping is None or key not in mapping:
        return None
    value = mapping[key]
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)  # JSON has no NaN
    return json.dumps(value, default=str, ensure_ascii=False)


def _warnings(
    runs: Sequence[Run],
    targets: Sequence[TargetComparison],
    config_differences: Sequence[KeyValues],
) -> list[str]:
    warnings = []
    without = [run.name for run in runs if run.config is None]
    if without:
        warnings.append(f"no config.yaml for {', '.join(without)}: settings cannot be compared")
    others = [
        row.key
        for row in config_differences
        if row.key != "run.name" and row.key.split(".")[0] != "regularizer"
    ]
    if others:
        warnings.append(
            "the configs differ in more than the regulariser, so the regulariser alone does not "
            f"explain a difference: {', '.join(others)}"
        )
    conditions: dict[str, list[object]] = {
        "the protocol": [run.results.protocol for run in runs],
        "the use of mirror images (flip)": [run.results.flip for run in runs],
        "the step": [run.step for run in runs],
    }
    for what, values in conditions.items():
        if len(set(values)) > 1:
            listed = ", ".join(f"{r.name}: {v}" for r, v in zip(runs, values, strict=True))
            warnings.append(f"{what} is not the same in all runs ({listed})")
    if len({run.results_file.resolve() for run in runs}) < len(runs):
        warnings.append("one verification file is compared with itself")
    for target in targets:
        for difference in target.differences:
            if difference.paired is None:
                warnings.append(f"{target.name}: {difference.verdict}")
    return warnings


def _caveats(tests: int) -> tuple[str, ...]:
    if tests == 1:
        return SEED_CAVEAT, FOLD_CAVEAT, PAIRING_CAVEAT
    return (
        SEED_CAVEAT,
        FOLD_CAVEAT,
        PAIRING_CAVEAT,
        f"{tests} differences are judged, each at {SIGNIFICANCE:.0%}, the p-values as they are: "
        "among so many one may come out by chance.",
    )


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "results_file": str(run.results_file),
        "step": run.step,
        "checkpoint": run.results.checkpoint,
        "protocol": run.results.protocol,
        "flip": run.results.flip,
    }


def _target_json(target: TargetComparison, names: Sequence[str]) -> dict[str, Any]:
    return {
        "results": {
            name: None if result is None else result.model_dump(mode="json")
            for name, result in zip(names, target.results, strict=True)
        },
        "differences": [
            {
                "run": difference.run,
                "reference": difference.reference,
                "paired": None if difference.paired is None else asdict(difference.paired),
                "shown": difference.shown,
                "verdict": difference.verdict,
            }
            for difference in target.differences
        ],
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
