"""Which samples stay: counts, seeds, independence of classes, and the papers' settings."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.class_imbalance import kept_samples, rising
from data_prep.errors import UserError

CIFAR_10 = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))


def test_cifar_10_single() -> None:
    kept = kept_samples(CIFAR_10, {0: 500}, seed=1)
    assert len(kept) == 45_500
    assert np.bincount(CIFAR_10[kept]).tolist() == [500] + [5000] * 9


def test_cifar_10_multiple() -> None:
    kept = kept_samples(CIFAR_10, rising(10, 500), seed=1)
    assert len(kept) == 27_500
    assert np.bincount(CIFAR_10[kept]).tolist() == [500 * (k + 1) for k in range(10)]


def test_cifar_100() -> None:
    labels = np.repeat(np.arange(100), 500)
    single = kept_samples(labels, dict.fromkeys(range(10), 50), seed=0)
    assert np.bincount(labels[single]).tolist() == [50] * 10 + [500] * 90
    multiple = kept_samples(labels, rising(100, 5), seed=0)
    assert np.bincount(labels[multiple]).tolist() == [5 * (k + 1) for k in range(100)]


def test_indices_are_ascending_and_a_function_of_the_seed() -> None:
    first = kept_samples(CIFAR_10, {3: 10}, seed=5)
    assert np.array_equal(first, kept_samples(CIFAR_10, {3: 10}, seed=5))
    assert (np.diff(first) > 0).all()
    other = kept_samples(CIFAR_10, {3: 10}, seed=6)
    assert not np.array_equal(first, other)


def test_what_stays_of_a_class_depends_on_no_other_class() -> None:
    alone = kept_samples(CIFAR_10, {3: 10}, seed=5)
    together = kept_samples(CIFAR_10, {1: 7, 3: 10}, seed=5)
    assert np.array_equal(alone[CIFAR_10[alone] == 3], together[CIFAR_10[together] == 3])


def test_all_of_a_class_may_stay() -> None:
    labels = np.array([0, 1, 1, 0])
    assert kept_samples(labels, {1: 2}, seed=0).tolist() == [0, 1, 2, 3]
    assert kept_samples(labels, {}, seed=0).tolist() == [0, 1, 2, 3]


def test_every_sample_has_the_same_chance() -> None:
    labels = np.zeros(10, np.int64)
    counts = np.zeros(10)
    for seed in range(2000):
        counts[kept_samples(labels, {0: 3}, seed)] += 1
    assert (abs(counts - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7)).all()


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({1: 3}, "class 1 has 2 images and cannot keep 3: give a number from 1 to 2"),
        ({1: 0}, "class 1 has 2 images and cannot keep 0"),
        ({7: 1}, "there are no images of class 7"),
    ],
)
def test_impossible_numbers(keep: dict[int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        kept_samples(np.array([0, 1, 1, 0]), keep, seed=0)
