"""Sample order and flips: permutations, nothing dropped, pure functions of (seed, step, index)."""

from __future__ import annotations

import numpy as np
import pytest

from arcface_plus.data.order import (
    batch_boxes,
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
        lambda seed, step: batch_boxes(seed, step, 64, (40, 50), (0.1, 1.0)),
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


def test_boxes_have_the_area_and_aspect_that_are_asked_for():
    boxes = np.concatenate([batch_boxes(0, s, 500, (200, 200), (0.25, 0.5)) for s in range(4)])
    top, left, height, width = boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 200).all()
    assert (left + width <= 200).all()
    area, aspect = height * width / 200**2, width / height
    assert 0.245 < area.min() < 0.26
    assert 0.49 < area.max() < 0.505
    assert abs(area.mean() - 0.375) < 0.01
    assert 0.745 < aspect.min() < 0.76
    assert 1.31 < aspect.max() < 1.345
    assert abs(np.log(aspect).mean()) < 0.02
    for first, length in ((top, height), (left, width)):
        share = first / (200 - length)
        assert share.min() < 0.01
        assert share.max() > 0.99
        assert abs(share.mean() - 0.5) < 0.03


def test_boxes_that_never_fit_are_the_largest_in_the_middle():
    assert (batch_boxes(0, 0, 5, (20, 200), (1.0, 1.0)) == [0, 86, 20, 27]).all()  # 4/3
    assert (batch_boxes(0, 0, 5, (200, 20), (1.0, 1.0)) == [86, 0, 27, 20]).all()  # 3/4
    whole = batch_boxes(0, 0, 50, (30, 30), (1.0, 1.0))
    assert {tuple(box) for box in whole.tolist()} == {(0, 0, 30, 30)}
