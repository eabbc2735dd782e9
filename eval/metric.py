"""The figures of a run that can be judged: what each is called, where it is read, what is better.

A new one is one line in `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eval.runs import TargetResult


@dataclass(frozen=True)
class Metric:
    """One figure, a share of 1. `read` gives None where a run does not have it.

    `label` is its name in words; `tested_by_pairs`: the pair file's folds and decisions are about
    it, so that two single runs can be compared.
    """

    name: str
    label: str
    higher_is_better: bool
    read: Callable[[TargetResult], float | None]
    tested_by_pairs: bool = False


def _tar(rate: str) -> Metric:
    return Metric(f"tar@{rate}", f"TAR at FAR {rate}", True, lambda r: r.tar_at_far.get(rate))


ACCURACY = Metric("accuracy", "accuracy", True, lambda r: r.accuracy.mean, tested_by_pairs=True)
METRICS = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric("auc", "AUC", True, lambda r: r.auc),
        Metric("eer", "EER", False, lambda r: r.eer),
        *map(_tar, ("1e-1", "1e-2", "1e-3")),
    )
}
