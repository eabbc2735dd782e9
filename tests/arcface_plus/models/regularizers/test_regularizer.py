"""What every regularizer takes, gives and declares."""

from __future__ import annotations

import math

import pytest
import torch
from naive_angles import random_rows

from arcface_plus.models.regularizers import REGULARIZERS, Moment
from arcface_plus.models.shards import Shards

NAMES = [name for name in REGULARIZERS if name != "none"]


@pytest.mark.parametrize("name", NAMES)
def test_each_takes_a_matrix_alone_or_with_the_moment(name: str) -> None:
    weight = random_rows(8, 5, torch.float32)
    regularizer = REGULARIZERS[name]()
    alone = regularizer(weight)
    assert alone.shape == ()
    moment = Moment(seed=1, step=2, labels=torch.tensor([1, 1, 7]))
    assert torch.equal(regularizer(weight, Shards(8), moment), alone)
    assert not regularizer.needs_labels
    assert not regularizer.needs_step
    assert all(math.isfinite(value) for value in regularizer.report().values())


@pytest.mark.parametrize("name", NAMES)
def test_none_hides_a_matrix_that_is_not_one(name: str) -> None:
    for weight in (torch.zeros(4), torch.zeros(1, 4), torch.zeros(4, 4, dtype=torch.int64)):
        with pytest.raises(ValueError, match="weight must"):
            REGULARIZERS[name]()(weight)
