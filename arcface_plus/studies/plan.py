"""A study file → every run of the study with its config, all of them checked before the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from arcface_plus.config.complaints import unknown_name
from arcface_plus.config.merging import changed_tree, setting
from arcface_plus.config.tree import (
    RunConfig,
    extended_file,
    merged_configs,
    read_tree,
    validate,
)
from arcface_plus.run_directory.prepare import flattened
from arcface_plus.studies.study_file import StudyFile, Variant, read_study
from data_prep.errors import UserError
from eval.metric import METRICS, metrics_of
from eval.single_classes import class_of

OURS = ("run.seed", "run.name")
"""Keys that the study sets itself."""


@dataclass(frozen=True)
class PlannedRun:
    """One variant with one seed; `folder` is relative to the study's folder.

    start: the run with whose weights it starts; `model.init` is not set for it, see `starts`.
    """

    variant: str
    seed: int
    config: RunConfig
    start: PlannedRun | None = None

    @property
    def name(self) -> str:
        return f"{self.variant}/seed_{self.seed}"

    @property
    def folder(self) -> Path:
        return Path("runs") / self.name


@dataclass(frozen=True)
class Plan:
    """A checked study. `changes`: by variant, the dotted keys that differ from the study's base."""

    study: StudyFile
    source: Path
    runs: tuple[PlannedRun, ...]
    targets: tuple[str, ...]
    changes: Mapping[str, Mapping[str, object]]

    @property
    def where_from(self) -> str:
        """The study's `needs` in one line."""
        return " ".join(self.study.needs.split())

    def only(self, pattern: str | None) -> tuple[PlannedRun, ...]:
        """The runs whose VARIANT/seed_N matches; UserError if none does."""
        if pattern is None:
            return self.runs
        found = tuple(run for run in self.runs if fnmatchcase(run.name, pattern))
        if not found:
            names = [run.name for run in self.runs]
            shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
            raise UserError(f"--only {pattern}: no run of the study matches (they are {shown})")
        return found


def load_plan(path: str | Path, settings: Sequence[str] = ()) -> Plan:
    """A study and `key.sub=value` settings for all its runs → its plan.

    One UserError with everything that is wrong in any variant.
    """
    study, file = read_study(path)
    shared = [setting(text) for text in settings]
    bases = _checked_bases(study, file, shared)
    changes = {
        name: _changes(variant.set, f"{file}: variants.{name}") | _start(variant)
        for name, variant in study.variants.items()
    }
    wrong = [
        *_set_twice(shared, changes),
        *(f"variants.{name}: {what}" for name in changes for what in _ours(changes[name])),
    ]
    configs: dict[str, RunConfig] = {}
    complaints: dict[str, list[str]] = {}  # the variants that have each
    for name in changes:
        try:
            variant = study.variants[name]
            base = bases[variant.base or study.base]
            tree = merged_configs(base.tree, changed_tree(variant.set))
            for given in shared:
                tree = merged_configs(tree, given)
            configs[name] = validate(_named(tree, study.name), name)
        except UserError as error:
            complaints.setdefault(str(error).removeprefix(f"{name}: "), []).append(name)
    for what, names in complaints.items():
        whose = f"variants.{', '.join(names)}"
        if len(names) == len(changes) > 1:
            whose = "every variant"  # most often a mistake in --set
        wrong.append(f"{whose}: {what}")
    wrong += _equal_variants(configs, study)
    wrong += _unlike_starts(configs, study)
    targets = _targets(study, configs, wrong)
    for key, metric in [("metric", study.metric), *(("secondary", m) for m in study.secondary)]:
        wrong += _other_tasks(key, metric, configs)
    if wrong:
        raise UserError(f"{file}: {'; '.join(wrong)}")
    runs = [
        _planned(study, configs, name, seed)
        for seed in study.seed_list  # seed by seed: an unfinished study then has equal seeds
        for name in configs
    ]
    for name, variant in study.variants.items():
        if variant.base is not None:
            changes[name] = bases[variant.base].beyond(bases[study.base]) | changes[name]
    return Plan(study, file, tuple(runs), targets, changes)


@dataclass(frozen=True)
class _Base:
    """A base with the study's own changes: what the files say, and all keys with their values."""

    tree: dict[str, Any]
    keys: dict[str, object]

    def beyond(self, other: _Base) -> dict[str, object]:
        """The keys in which it differs from another one."""
        return {
            key: value
            for key, value in self.keys.items()
            if key not in other.keys or other.keys[key] != value
        }


def _checked_bases(
    study: StudyFile, file: Path, shared: Sequence[dict[str, Any]]
) -> dict[str, _Base]:
    """All bases by name, each valid by itself so that no variant repeats its mistakes."""
    wrong = [f"set: {what}" for what in _ours(_changes(study.set, f"{file}: set"))]
    wrong += [f"--set: {what}" for given in shared for what in _ours(flattened(given))]
    if wrong:
        raise UserError(f"{file}: {'; '.join(wrong)}")
    places = {study.base: "base"}
    for name, variant in study.variants.items():
        if variant.base is not None:
            places.setdefault(variant.base, f"variants.{name}.base")
    return {base: _checked_base(base, places[base], study, file) for base in places}


def _checked_base(base: str, place: str, study: StudyFile, file: Path) -> _Base:
    """One of them; `place` is the key of the study that names it."""
    base_file = extended_file(base, file)
    if not base_file.is_file():
        raise UserError(f"{file}: {place}: {base}: no such config file or recipe")
    tree = merged_configs(read_tree(base_file), changed_tree(study.set))
    named = _named(tree, study.name)
    config = validate(named, f"{file}: {base_file.name} with the changes in set")
    return _Base(tree, flattened(config.model_dump(mode="json")))


def _named(tree: dict[str, Any], name: str) -> dict[str, Any]:
    return merged_configs(tree, {"run": {"name": name, "seed": 0}})


def _planned(
    study: StudyFile, configs: Mapping[str, RunConfig], name: str, seed: int
) -> PlannedRun:
    start = study.variants[name].start_from
    first = _planned(study, configs, start, seed) if start else None
    return PlannedRun(name, seed, _seeded(configs[name], study.name, name, seed), first)


def _seeded(config: RunConfig, study: str, variant: str, seed: int) -> RunConfig:
    run = config.run.model_copy(update={"name": f"{study}_{variant}_seed_{seed}", "seed": seed})
    return config.model_copy(update={"run": run})


def _changes(changes: Mapping[str, Any], where: str) -> dict[str, object]:
    """The dotted keys that are changed."""
    try:
        return flattened(changed_tree(changes))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _start(variant: Variant) -> dict[str, object]:
    """`start_from` as a change of `model.init`."""
    return {"model.init": start_of(variant.start_from)} if variant.start_from else {}


def start_of(variant: str) -> str:
    """How reports call what runs start from."""
    return f"{variant}, same seed"


def _ours(changes: Mapping[str, object]) -> list[str]:
    return [f"{key} is set by the study" for key in changes if key in OURS]


def _set_twice(
    shared: Sequence[dict[str, Any]], changes: Mapping[str, Mapping[str, object]]
) -> list[str]:
    """A --set of a key that a variant changes would undo the difference between variants."""
    return [
        f"--set {given}: variant {name} sets {key} itself"
        for tree in shared
        for given in flattened(tree)
        for name, changed in changes.items()
        for key in changed
        if f"{key}.".startswith(f"{given}.") or f"{given}.".startswith(f"{key}.")
    ]


def _equal_variants(configs: Mapping[str, RunConfig], study: StudyFile) -> list[str]:
    names, starts = list(configs), {n: study.variants[n].start_from for n in configs}
    return [
        f"variants {first} and {second} are equal"
        for k, first in enumerate(names)
        for second in names[k + 1 :]
        if configs[first] == configs[second] and starts[first] == starts[second]
    ]


def _unlike_starts(configs: Mapping[str, RunConfig], study: StudyFile) -> list[str]:
    """Variants that would fail when the run they start from is finished, perhaps after days."""
    wrong = []
    for name, config in configs.items():
        start = study.variants[name].start_from
        if start is None or start not in configs:
            continue
        if _network(config) != _network(configs[start]):
            wrong.append(f"variants.{name}: its network is not that of {start}, its start_from")
        if config.initial_weights is not None:
            wrong.append(f"variants.{name}: give start_from or model.init, not both")
    return wrong


def _network(config: RunConfig) -> tuple[object, int]:
    return config.model.backbone, config.class_weights.dimensions


def _other_tasks(key: str, metric: str, configs: Mapping[str, RunConfig]) -> list[str]:
    """Variants of a task that the metric is not of."""
    return [
        f"{key}: {metric} is not for variants.{name}, which is of task: {config.task}; use one of "
        + ", ".join(metrics_of(config.task))
        for name, config in configs.items()
        if METRICS[metric].task != config.task
    ]


def _is_class(target: str, config: RunConfig) -> bool:
    """Whether the target is a single class of the run's test split."""
    return "test" in config.eval.names and class_of(target) is not None


def _targets(
    study: StudyFile, configs: Mapping[str, RunConfig], wrong: list[str]
) -> tuple[str, ...]:
    """The judged targets; adds to `wrong` what cannot be judged."""
    known = tuple(dict.fromkeys(t for config in configs.values() for t in config.eval.names))
    targets = study.targets or known
    for name, config in configs.items():
        wrong += [
            f"variants.{name}: eval.targets lacks {target}, which is judged"
            for target in targets
            if target not in config.eval.names and not _is_class(target, config)
        ]
    if configs and not targets:
        wrong.append("eval.targets is empty, so there is nothing to compare")
    wrong += [
        f"variants.{name}.paper: {unknown_name('target', target, targets)}"
        for name, variant in study.variants.items()
        for target in variant.paper
        if targets and target not in targets
    ]
    return targets
