"""Sample order and flips: permutations, nothing dropped, pure functions of (seed, step, index)."""

from __future__ import annotations

import numpy as np
import pytest

from arcface_plus.data.order import (
    batch_centres,
    batch_flips,
    batch_indices,
    batch_offsets,
    batch_policies,
)


@pytest.mark.parametrize(("samples", "batch"), [(10, 4), (7, 7), (5, 12), (100, 33)])
def test_every_epoch_is_a_permutation_and_batches_span_epochs(samples, batch):
    epochs = 4 * batch  # so that whole epochs end on a batch boundary
    stream = np.concatenate(
        [batch_indices(1, step, batch, samples) for step in range(epochs * samples // batch)]
    )
    for epoch in stream.reshape(-1, samples)[:8]:
        assert sorted(epoch) == list(range(samples))


def test_epochs_and_seeds_differ():
    first, second = batch_indices(0, 0, 50, 50), batch_indices(0, 1, 50, 50)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, batch_indices(1, 0, 50, 50))
    assert np.array_equal(first, batch_indices(0, 0, 50, 50))


def test_the_order_of_samples_does_not_depend_on_the_batch_size():
    small = np.concatenate([batch_indices(5, step, 3, 17) for step in range(20)])
    assert np.array_equal(small, batch_indices(5, 0, 60, 17))


def test_flips_are_half_and_independent_of_the_order():
    flips = np.concatenate([batch_flips(0, step, 100) for step in range(100)])
    assert abs(flips.mean() - 0.5) < 0.02
    assert not np.array_equal(batch_flips(0, 0, 64), batch_flips(0, 1, 64))
    assert np.array_equal(batch_flips(3, 9, 64), batch_flips(3, 9, 64))


def test_crops_begin_anywhere_with_the_same_chance():
    offsets = np.concatenate([batch_offsets(0, step, 1000, 4) for step in range(9)])
    counts = np.zeros((9, 9))
    np.add.at(counts, tuple(offsets.T), 1)
    assert (abs(counts - 9000 / 81) < 5 * np.sqrt(9000 / 81)).all()


def test_centres_lie_anywhere_in_the_image():
    centres = np.concatenate([batch_centres(0, step, 500, 3, 7) for step in range(4)])
    counts = np.zeros((3, 7))
    np.add.at(counts, tuple(centres.T), 1)
    assert (abs(counts - 2000 / 21) < 5 * np.sqrt(2000 / 21)).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed, step: batch_offsets(seed, step, 64, 4),
        lambda seed, step: batch_centres(seed, step, 64, 32, 32),
        lambda seed, step: np.column_stack(batch_policies(seed, step, 64, 25)),
    ],
)
def test_changes_are_functions_of_seed_and_step(draw):
    assert np.array_equal(draw(1, 2), draw(1, 2))
    assert not np.array_equal(draw(1, 2), draw(1, 3))
    assert not np.array_equal(draw(1, 2), draw(2, 2))


def test_policies_are_in_range():
    policies, done, signs = batch_policies(0, 0, 1000, 25)
    assert set(policies) == set(range(25))
    assert 0 <= done.min() < done.max() < 1
    assert set(signs.ravel()) == {0, 1}
