"""Accuracies and class errors against scikit-learn and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from data_prep.errors import UserError
from eval.classification import classification, classify, ranks
from eval.statistics import binomial_interval


def scores(n: int = 500, classes: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    values = rng.normal(size=(n, classes))
    values[np.arange(n), labels] += 1.5
    return values, labels


def test_against_scikit_learn() -> None:
    values, labels = scores()
    result = classify(values, labels)
    for k, ours in ((1, result.top1), (5, result.top5)):
        assert ours == pytest.approx(top_k_accuracy_score(labels, values, k=k))
    matrix = confusion_matrix(labels, values.argmax(axis=1))
    expected = 1 - matrix.diagonal() / matrix.sum(axis=1)
    assert np.allclose(result.errors_per_class, expected)
    assert np.array_equal(result.images_per_class, matrix.sum(axis=1))
    assert result.mean_class_error == pytest.approx(expected.mean())
    assert np.array_equal(result.correct, values.argmax(axis=1) == labels)
    assert result.top1_ci95 == binomial_interval(int(result.correct.sum()), 500)


def test_ranks_against_torchs_topk() -> None:
    values, labels = scores()
    top = torch.from_numpy(values).topk(5, dim=1).indices.numpy()
    expected = (top == labels[:, None]).any(axis=1)
    assert np.array_equal(ranks(values, labels) < 5, expected)


def test_ties_are_decided_as_argmax_does() -> None:
    same = np.zeros((6, 6))
    assert ranks(same, np.arange(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert classify(same, np.arange(6)).top1 == pytest.approx(1 / 6)
    assert classify(same, np.arange(6)).top5 == pytest.approx(5 / 6)
    coarse = np.round(scores()[0])
    assert np.array_equal(ranks(coarse, scores()[1]) == 0, coarse.argmax(axis=1) == scores()[1])


def test_batches_joined_are_the_whole() -> None:
    values, labels = scores()
    parts = [ranks(values[k : k + 70], labels[k : k + 70]) for k in range(0, 500, 70)]
    joined = classification(np.concatenate(parts), labels, 12)
    assert joined.to_json() == classify(values, labels).to_json()


def test_five_classes_have_no_top_5() -> None:
    values, labels = scores(classes=5)
    assert classify(values, labels).top5 is None
    assert classify(*scores(classes=6)).top5 < 1.0


def test_a_class_without_images_has_no_error() -> None:
    result = classify([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [0, 1, 0])
    assert result.errors_per_class[:2].tolist() == [0.5, 0.0]
    assert np.isnan(result.errors_per_class[2])
    assert result.mean_class_error == 0.25


def test_json() -> None:
    result = classify([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [0, 1, 0])
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    low, high = written.pop("top1_ci95")
    assert low < 2 / 3 < high
    assert written == {
        "schema": 1, "task": "classification", "images": 3, "classes": 3, "top1": 2 / 3,
        "top5": None, "mean_class_error": 0.25, "per_class_error": [0.5, 0.0, None],
        "per_class_images": [2, 1, 0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        ([[0.0, 1.0]], [2], "image 0 has label 2, but there are 2 classes"),
        ([[0.0, 1.0]], [-1], "image 0 has label -1"),
        ([[0.0, 1.0], [np.nan, 1.0]], [1, 1], "image 1: its scores are not finite"),
        ([[0.0, np.inf]], [1], "image 0: its scores are not finite"),
        ([[0.0, 1.0]], [1, 1], "do not fit labels"),
        ([0.0, 1.0], [1, 1], "do not fit labels"),
        (np.zeros((0, 3)), np.zeros(0, int), "there are no images"),
    ],
)
def test_wrong_input(values: object, labels: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        classify(values, labels)  # type: ignore[arg-type]
