"""How runs were made: differing settings, training costs, and what these mean for a comparison."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from eval.difference import Difference
from eval.groups import Group
from eval.runs import Run
from eval.wording import level

SEED_CAVEAT = (
    "One run each: this compares two trained networks, not two methods. These intervals do not "
    "include the spread from seed to seed. Two runs of one recipe have differed by 0.14 points on "
    "LFW; a smaller difference may come from the seed even if p is small. Of 24 pairs of runs of "
    "one recipe, McNemar's test called 11 different (docs/judge.md)."
)
SINGLE_RUNS_WARNING = (
    "one run of each: the difference shown is between these two networks, not between recipes. "
    "Two runs of one recipe can differ as much (docs/judge.md); compare several seeds of each"
)
FOLD_CAVEAT = (
    "Folds are parts of one test set, not repetitions of the training: all ten share the same "
    "training noise, and their thresholds are chosen on each other's pairs."
)
SEEDS_CAVEAT = (
    "Tests over seeds take the test pairs as given: they describe other seeds on these pairs. The "
    "bootstrap's interval shows how much a difference could vary with other pairs."
)
PAIRING_CAVEAT = (
    "Verification files without a digest of the pairs (from older versions) are assumed to be for "
    "the same pairs if their counts agree."
)
SHARED_IMAGES_CAVEAT = (
    "McNemar's test (score and exact) and the bootstrap treat pairs as independent. This is not "
    "entirely true: pairs share images and people, and each fold's threshold is chosen on the "
    "other folds. So p and intervals are too small: two equally good networks have p < 0.05 in 7 "
    "to 14% of simulated comparisons, by the t over folds as well (docs/judge.md)."
)

NO_EFFECT = (
    "run.name", "logging", "checkpoint", "eval", "data.threads", "data.cache", "data.cache_dir",
    "runtime.device",
)  # fmt: skip
"""Keys and sections that do not affect what a run learns: where it ran, what and where it wrote,
how often it was verified. Every other key, including keys of later versions, may matter."""


@dataclass(frozen=True)
class KeyValues:
    """One key of config or summary and each run's value, None if it has no such key."""

    key: str
    values: tuple[str | None, ...]


def config_differences(runs: Sequence[Run]) -> tuple[KeyValues, ...]:
    """Keys whose values differ among the runs that have a config."""
    present = [i for i, run in enumerate(runs) if run.config is not None]
    return tuple(row for row in all_settings(runs) if len({row.values[i] for i in present}) > 1)


def all_settings(runs: Sequence[Run]) -> tuple[KeyValues, ...]:
    """Every key of the runs' configs."""
    keys = list(dict.fromkeys(key for run in runs for key in run.config or {}))
    return tuple(KeyValues(key, tuple(_shown(run.config, key) for run in runs)) for key in keys)


def matters(key: str) -> bool:
    """Whether a difference in this key of a config can change the result; see `NO_EFFECT`."""
    return not any(key == free or key.startswith(f"{free}.") for free in NO_EFFECT)


def training(runs: Sequence[Run], targets: Sequence[str]) -> tuple[KeyValues, ...]:
    """The numbers in summary.json: losses, time, throughput and memory.

    Accuracies are left out: the verification files have them, for the step compared.
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
    """A key's value as JSON text, None if there is no such key."""
    if mapping is None or key not in mapping:
        return None
    value = mapping[key]
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)  # JSON has no NaN
    return json.dumps(value, default=str, ensure_ascii=False)


def warnings(
    groups: Sequence[Group],
    differences: Sequence[Difference],
    changed: Collection[str] = ("regularizer",),
) -> list[str]:
    """Reasons why the comparison may be unfair or invalid, one line each.

    `changed`: keys and sections of the config that the groups differ in on purpose.
    """
    runs = [run for group in groups for run in group.runs]
    found = []
    without = [run.name for run in runs if run.config is None]
    if without:
        found.append(f"{', '.join(without)}: no config.yaml, so settings cannot be compared")
    for group in groups:
        found += _within(group)
    others = _between(groups, changed)
    if others:
        what = "the regularizer" if set(changed) == {"regularizer"} else "what is compared"
        found.append(
            f"the configs differ in more than {what}, so {what} alone does not "
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
            found.append(f"{what} differs between runs ({listed})")
    if len({run.results_file.resolve() for run in runs}) < len(runs):
        found.append("a verification file is compared with itself")
    if any(d.shown and d.design in ("pairs", "folds") for d in differences):
        found.append(SINGLE_RUNS_WARNING)
    found += [
        d.sentence if d.folds else f"{d.target}: {d.sentence}"
        for d in differences
        if d.verdict is None
    ]
    return found


def _within(group: Group) -> list[str]:
    """Reasons why the runs of a group are not independent seeds of one recipe."""
    found = []
    keys = [row.key for row in config_differences(group.runs)]
    others = [key for key in keys if matters(key) and key != "run.seed"]
    if others:
        found.append(
            f"{group.name}: its runs differ in more than the seed, so their spread is not only "
            f"the seed's: {', '.join(others)}"
        )
    seeds = Counter(run.seed for run in group.runs if run.seed is not None)
    repeated = [str(seed) for seed, times in seeds.items() if times > 1]
    if repeated:
        found.append(
            f"{group.name}: seed {', '.join(repeated)} occurs more than once; such runs are not "
            "independent, so the spread is too small"
        )
    return found


def _between(groups: Sequence[Group], changed: Collection[str]) -> list[str]:
    """Keys that matter and differ from group to group, beyond those `changed` and the seeds."""
    runs = [run for group in groups for run in group.runs]
    several = any(len(group.runs) > 1 for group in groups)
    keys = []
    for row in config_differences(runs):
        values = dict(zip([id(run) for run in runs], row.values, strict=True))
        sets = {
            frozenset(values[id(run)] for run in group.runs if run.config is not None)
            for group in groups
        } - {frozenset()}
        free = not matters(row.key) or (several and row.key == "run.seed")
        meant = any(f"{row.key}.".startswith(f"{key}.") for key in changed)
        if len(sets) > 1 and not free and not meant:
            keys.append(row.key)
    return keys


def caveats(groups: Sequence[Group], differences: Sequence[Difference]) -> tuple[str, ...]:
    """The limits of the figures that apply to this comparison."""
    judged = [d.verdict for d in differences if d.verdict is not None]
    units = {verdict.unit for verdict in judged}
    lines = []
    if units & {"pairs", "folds"}:
        lines.append(SEED_CAVEAT)
    if "seeds" in units:
        lines.append(SEEDS_CAVEAT)
    if "folds" in units:
        lines.append(FOLD_CAVEAT)
    if any(d.bootstrap is not None for d in differences):
        lines.append(SHARED_IMAGES_CAVEAT)
    results = [r for g in groups for run in g.runs for r in run.results.verified.values()]
    if any(result.pairs_sha256 is None for result in results):
        lines.append(PAIRING_CAVEAT)
    if judged and judged[0].of > 1:
        lines.append(
            f"p is corrected for {judged[0].of} verdicts by Holm's method, which keeps the chance "
            "of any false difference at 5%. The intervals have the level "
            f"{level(judged[0].level)}, at which an interval excludes zero exactly when the "
            "corrected p is below 0.05."
        )
    return tuple(lines)
