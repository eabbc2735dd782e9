"""Angles of nearest rows, and their statistics."""

from __future__ import annotations

import torch
from naive_angles import random_rows

from arcface_plus.models.regularizers import nearest_angles


def test_quantiles() -> None:
    weight = random_rows(101, 6)
    weight[50] = 0.0
    found = nearest_angles(weight)
    angles = found.angle[found.counted].sort().values
    assert found.quantile(0.0) == found.smallest() == angles[0]
    assert found.quantile(1.0) == angles[99]
    assert found.quantile(0.1) == angles[10]
    assert bool(nearest_angles(torch.zeros(3, 3)).quantile(0.5).isnan())
