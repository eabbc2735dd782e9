"""Groups of runs of one recipe, and checks whether two groups can be compared on a target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.metric import ACCURACY, Metric
from eval.runs import Result, Run, TargetResult


@dataclass(frozen=True)
class Group:
    """Runs of one recipe that differ only in the seed; a single run is a group of one."""

    name: str
    runs: tuple[Run, ...]

    def results(self, target: str) -> list[Result]:
        """Each run's result on a target that all runs have."""
        return [run.results.targets[target] for run in self.runs]

    def values(self, target: str, metric: Metric) -> list[float]:
        """Each run's figure on a target, of the runs that have it."""
        found = [run.results.targets.get(target) for run in self.runs]
        return [value for r in found if r is not None and (value := metric.read(r)) is not None]

    def values_by_seed(self, target: str, metric: Metric) -> dict[str, float] | None:
        """Seed → figure, of runs that all have it; None if a seed is unknown or repeated."""
        seeds = [str(run.seed) for run in self.runs if run.seed is not None]
        if len(set(seeds)) < len(self.runs):
            return None
        return dict(zip(seeds, self.values(target, metric), strict=True))


def with_common_seeds(reference: Group, group: Group) -> tuple[Group, Group]:
    """Both with only the runs whose seed is in both, if there are any; else as they are."""
    common = {run.seed for run in reference.runs} & {run.seed for run in group.runs}
    if not common:
        return reference, group
    first, second = (
        Group(each.name, tuple(run for run in each.runs if run.seed in common))
        for each in (reference, group)
    )
    return first, second


def leak(target: str, reference: Group, group: Group) -> str | None:
    """Which runs were trained on images of the target, so that its accuracies are not judged."""
    told = [
        f"{count} of its images are in the training set of {run.name}"
        for run in (*reference.runs, *group.runs)
        if (count := run.shared_images.get(target, 0))
    ]
    return " and ".join(told[:2]) + (" and others" if len(told) > 2 else "") if told else None


def obstacle(target: str, reference: Group, group: Group, metric: Metric = ACCURACY) -> str | None:
    """Why two groups cannot be compared on a target: no result, or different pairs."""
    first: tuple[Run, Result] | None = None
    for run in (*reference.runs, *group.runs):
        result = run.results.targets.get(target)
        if result is None:
            return f"{run.name} has no result on it"
        if metric.read(result) is None:
            return f"{run.name} has no {metric.label} on it"
        if first is None:
            first = run, result
        elif first[1].counts != result.counts:
            return f"different {_what(result)} ({_counts(*first)}; {_counts(run, result)})"
        elif _other_content(target, *first, run, result):
            return f"different pairs (images or labels of {first[0].name} and {run.name} differ)"
    return None


def _other_content(target: str, run: Run, result: Result, other: Run, others: Result) -> bool:
    if not (isinstance(result, TargetResult) and isinstance(others, TargetResult)):
        return False
    if result.pairs_sha256 and others.pairs_sha256:
        return result.pairs_sha256 != others.pairs_sha256
    if target in run.scores and target in other.scores:
        return not np.array_equal(run.scores[target].same, other.scores[target].same)
    return False


def _what(result: Result) -> str:
    return "pairs" if isinstance(result, TargetResult) else "images"


def _counts(run: Run, result: Result) -> str:
    if not isinstance(result, TargetResult):
        return f"{run.name}: {result.images} images of {result.classes} classes"
    pairs, same, images, unique, folds = result.counts
    return (
        f"{run.name}: {pairs} pairs, {same} same, {images} images, {unique} unique, {folds} folds"
    )
