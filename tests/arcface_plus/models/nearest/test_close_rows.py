"""Rows nearer to each other than float32 can rank."""

from __future__ import annotations

import pytest
import torch
from gpu_branches import as_on_a_gpu
from naive_angles import (
    F64,
    naive_angles,
    random_rows,
)

from arcface_plus.models.nearest import close_rows
from arcface_plus.models.regularizers import nearest_angles


def test_more_close_rows_than_a_gpu_searches_again(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = random_rows(100, 8, torch.float32)
    weight[50:] = weight[:50] * (1 + 1e-5 * random_rows(50, 8, torch.float32))
    best = naive_angles(weight).min(dim=1).values
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(close_rows, "_CLOSE_ROWS_ON_GPU", 20)
    assert (nearest_angles(weight).angle.to(F64) - best).abs().max() < 1e-6
