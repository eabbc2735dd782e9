"""Under what conditions runs were made: what differs, what they cost, what that forbids to say."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eval.difference import Difference
from eval.groups import Group
from eval.runs import Run
from eval.wording import level

SEED_CAVEAT = (
    "One run of each: this compares two trained networks, not two methods. The spread from seed to "
    "seed is not in these intervals. Two runs of one recipe have differed by 0.14 points on LFW; a "
    "smaller difference can be the seed's even where p is small."
)
FOLD_CAVEAT = (
    "Folds are parts of one test set, not repetitions of the training: all ten share the same "
    "training noise, and their thresholds are chosen on each other's pairs."
)
SEEDS_CAVEAT = (
    "Tests over seeds take the test pairs as they are: they tell what other seeds would give on "
    "these pairs. How far other pairs would move a difference is the bootstrap's interval."
)
PAIRING_CAVEAT = (
    "That two verification files speak of the same pairs is judged by their counts alone, where "
    "they do not state a digest of the pairs (files written before it was added)."
)
SHARED_IMAGES_CAVEAT = (
    "McNemar's test (score and exact) and the bootstrap take the pairs as independent. Pairs that "
    "share images or people are not quite, nor are pairs of two folds, each decided at a threshold "
    "chosen on the other folds; that makes p and intervals somewhat too small. The folds of LFW "
    "share nobody, so the t over folds does not suffer from the former."
)

NO_EFFECT = (
    "run.name", "logging", "checkpoint", "eval", "data.threads", "data.cache", "data.cache_dir",
    "runtime.device",
)  # fmt: skip
"""Keys, and whole sections, that do not change what a run learns: where it ran, what it wrote and
where, how often it was verified. Every other key may matter, those of later versions too."""


@dataclass(frozen=True)
class KeyValues:
    """One key of config or summary and each run's value, None where it has no such key."""

    key: str
    values: tuple[str | None, ...]


def config_differences(runs: Sequence[Run]) -> tuple[KeyValues, ...]:
    """Keys whose values are not the same in all the runs that have a config."""
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


def warnings(groups: Sequence[Group], differences: Sequence[Difference]) -> list[str]:
    """What makes the comparison unfair or void, one line each."""
    runs = [run for group in groups for run in group.runs]
    found = []
    without = [run.name for run in runs if run.config is None]
    if without:
        found.append(f"no config.yaml for {', '.join(without)}: settings cannot be compared")
    for group in groups:
        found += _within(group)
    others = _between(groups)
    if others:
        found.append(
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
            found.append(f"{what} is not the same in all runs ({listed})")
    if len({run.results_file.resolve() for run in runs}) < len(runs):
        found.append("one verification file is compared with itself")
    found += [
        d.sentence if d.folds else f"{d.target}: {d.sentence}"
        for d in differences
        if d.verdict is None
    ]
    return found


def _within(group: Group) -> list[str]:
    """What keeps the runs of a group from being seeds of one recipe."""
    found = []
    keys = [row.key for row in config_differences(group.runs)]
    others = [key for key in keys if matters(key) and key != "run.seed"]
    if others:
        found.append(
            f"{group.name}: its runs differ in more than the seed, so their spread is not the "
            f"seed's: {', '.join(others)}"
        )
    seeds = Counter(run.seed for run in group.runs if run.seed is not None)
    repeated = [str(seed) for seed, times in seeds.items() if times > 1]
    if repeated:
        found.append(
            f"{group.name}: seed {', '.join(repeated)} is there more than once; such runs do not "
            "count as independent, the spread comes out too small"
        )
    return found


def _between(groups: Sequence[Group]) -> list[str]:
    """Keys that matter and differ from group to group, beyond regulariser and seeds."""
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
        if len(sets) > 1 and not free and row.key.split(".")[0] != "regularizer":
            keys.append(row.key)
    return keys


def caveats(groups: Sequence[Group], differences: Sequence[Difference]) -> tuple[str, ...]:
    """What the figures cannot tell, as far as it concerns these."""
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
    results = [r for g in groups for run in g.runs for r in run.results.targets.values()]
    if any(result.pairs_sha256 is None for result in results):
        lines.append(PAIRING_CAVEAT)
    if len(judged) > 1:
        lines.append(
            f"{len(judged)} differences are judged, so by Holm's correction: the chance that any "
            "of them is called different where none is stays at 5%. Their intervals have the level "
            f"{level(judged[0].level)}, at which each leaves out zero exactly where the "
            "corrected p is below 0.05."
        )
    return tuple(lines)
