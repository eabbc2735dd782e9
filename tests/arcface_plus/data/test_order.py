"""Sample order and flips: permutations, nothing dropped, pure functions of (seed, step, index)."""

from __future__ import annotations

import numpy as np
import pytest

from arcface_plus.data.order import batch_flips, batch_indices


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
