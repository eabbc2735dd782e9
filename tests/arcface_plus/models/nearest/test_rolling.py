"""Rolling candidates: all are new after `rolling_steps` calls."""

from __future__ import annotations

import torch
from naive_angles import random_rows

from arcface_plus.models.regularizers import MMA


def test_rolling_renews_all_rows_in_its_number_of_steps() -> None:
    weight = random_rows(103, 16, torch.float32)
    regularizer = MMA(mode="rolling", rolling_steps=4, candidates=2)
    regularizer(weight)
    elsewhere = random_rows(103, 16, torch.float32, seed=9)
    for step in range(4):
        loss = regularizer(elsewhere)
        right = loss == MMA(mode="exact")(elsewhere)
        assert bool(right) == (step == 3)
