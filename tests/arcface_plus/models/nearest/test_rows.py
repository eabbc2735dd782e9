"""Rows as directions: norms without overflow, unit rows, rows of zeros."""

from __future__ import annotations

import pytest
import torch
from naive_angles import random_rows

from arcface_plus.models.nearest import rows
from arcface_plus.models.nearest.rows import check_rows, directions, may_hold, row_norms
from arcface_plus.models.shards import Shards


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 255, 256, 257, 600])
def test_unit_rows_to_the_formula(n: int, dtype: torch.dtype) -> None:
    weight = random_rows(n, 7, dtype)
    found = directions(weight)
    norms = weight.double().square().sum(dim=1).sqrt()
    torch.testing.assert_close(found.norms, norms, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.unit, (weight.double() / norms[:, None]).to(dtype))
    assert found.unit.dtype == dtype
    assert found.counted.all()


@pytest.mark.parametrize("size", [1e30, 1e-30, 1e-44])
def test_norms_neither_overflow_nor_vanish(size: float) -> None:
    weight = torch.full((2, 4), size)
    assert torch.equal(row_norms(weight), 2 * weight[:, 0].double())
    torch.testing.assert_close(directions(weight).unit, torch.full((2, 4), 0.5))


def test_rows_of_zeros_have_no_direction() -> None:
    weight = random_rows(4, 3, torch.float32)
    weight[1] = 0.0
    found = directions(weight)
    assert (
        found.zero.tolist() == found.counted.logical_not().tolist() == [False, True, False, False]
    )
    assert torch.equal(found.unit[1], torch.zeros(3))
    weight[2:] = 0.0  # the only remaining row has no neighbour
    assert not directions(weight).counted.any()


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (torch.zeros(3), "floating point"),
        (torch.zeros(3, 2, dtype=torch.int64), "floating point"),
        (torch.zeros(1, 2), "at least 2 rows"),
        (torch.zeros(2, 0), "at least 2 rows"),
    ],
)
def test_matrices_without_neighbours_are_refused(weight: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_rows(weight, Shards(len(weight)))


def test_no_value_is_read_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = torch.zeros(3, dtype=torch.bool)
    assert not may_hold(nothing)
    assert may_hold(torch.tensor([False, True]))
    monkeypatch.setattr(rows, "on_cpu", lambda _: False)
    assert may_hold(nothing)
