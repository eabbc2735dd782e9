"""Each metric is read where it is, and says which direction is better."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, target

from eval.metric import METRICS, metrics_of
from eval.runs import ClassificationTarget, TargetResult


def test_each_metric_is_read_from_a_verification():
    result = TargetResult.model_validate(target(ARCFACE))
    read = {name: metric.read(result) for name, metric in METRICS.items()}
    assert read == {
        "accuracy": pytest.approx(0.9553, abs=1e-4), "auc": 0.998, "eer": 0.01,
        "tar@1e-1": 0.999, "tar@1e-2": 0.98, "tar@1e-3": None,
        **dict.fromkeys(metrics_of("classification")),
    }  # fmt: skip


def test_each_metric_is_read_from_a_classification():
    result = ClassificationTarget(
        images=40, classes=10, top1=0.75, top5=0.9, top1_ci95=(0.6, 0.9), mean_class_error=0.3,
        per_class_error=(0.3,) * 10, per_class_images=(4,) * 10,
    )  # fmt: skip
    read = {name: metric.read(result) for name, metric in METRICS.items()}
    assert read == {
        "top1": 0.75, "top5": 0.9, "top1_error": 0.25, "class_error": 0.3,
        **dict.fromkeys(metrics_of("verification")),
    }  # fmt: skip


def test_only_errors_are_better_when_lower():
    assert [name for name, metric in METRICS.items() if not metric.higher_is_better] == [
        "eer", "top1_error", "class_error",
    ]  # fmt: skip
