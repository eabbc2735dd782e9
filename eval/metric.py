"""The figures of a run that can be judged: what each is called, where it is read, what is better.

A new one is one line in `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eval.runs import ClassificationTarget, Result, TargetResult


@dataclass(frozen=True)
class Metric:
    """One figure, a share of 1. `read` gives None where a run does not have it.

    `label` is its name in words; `tested_by_pairs`: the pair file's folds and decisions are about
    it, so that two single runs can be compared.
    """

    name: str
    label: str
    higher_is_better: bool
    read: Callable[[Result], float | None]
    tested_by_pairs: bool = False
    task: str = "verification"


def _of_pairs(read: Callable[[TargetResult], float | None]) -> Callable[[Result], float | None]:
    return lambda result: read(result) if isinstance(result, TargetResult) else None


def _of_images(
    read: Callable[[ClassificationTarget], float | None],
) -> Callable[[Result], float | None]:
    return lambda result: read(result) if isinstance(result, ClassificationTarget) else None


def _tar(rate: str) -> Metric:
    read = _of_pairs(lambda r: r.tar_at_far.get(rate))
    return Metric(f"tar@{rate}", f"TAR at FAR {rate}", True, read)


ACCURACY = Metric(
    "accuracy", "accuracy", True, _of_pairs(lambda r: r.accuracy.mean), tested_by_pairs=True
)


def _images_metric(
    name: str, label: str, higher_is_better: bool, read: Callable[[ClassificationTarget], Any]
) -> Metric:
    return Metric(name, label, higher_is_better, _of_images(read), task="classification")


TOP1 = _images_metric("top1", "top-1 accuracy", True, lambda r: r.top1)
METRICS = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric("auc", "AUC", True, _of_pairs(lambda r: r.auc)),
        Metric("eer", "EER", False, _of_pairs(lambda r: r.eer)),
        *map(_tar, ("1e-1", "1e-2", "1e-3")),
        TOP1,
        _images_metric("top5", "top-5 accuracy", True, lambda r: r.top5),
        _images_metric("top1_error", "top-1 error", False, lambda r: 1.0 - r.top1),
        _images_metric("class_error", "mean class error", False, lambda r: r.mean_class_error),
    )
}


def metrics_of(task: str) -> list[str]:
    """The names of a task's metrics."""
    return [metric.name for metric in METRICS.values() if metric.task == task]
