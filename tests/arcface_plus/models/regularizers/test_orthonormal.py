"""Orthonormality against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from naive_angles import F64, loss_and_gradient, random_rows
from sharded_regularizers import Case, check_over_shards
from sharded_rows import more_and_fewer_rows_than_dimensions
from torch import Tensor

from arcface_plus.models.regularizers import Orthonormal


def naive(weight: Tensor, squared: bool) -> Tensor:
    square = (weight @ weight.T - torch.eye(len(weight))).square().sum()
    return square if squared else square.sqrt()


@pytest.mark.parametrize(("n", "d"), [(3, 8), (8, 8), (40, 6)])
@pytest.mark.parametrize("squared", [False, True])
def test_value_and_gradient(n: int, d: int, squared: bool) -> None:
    weight = random_rows(n, d)
    found, grad = loss_and_gradient(weight, Orthonormal(squared))
    reference = weight.clone().requires_grad_()
    expected = naive(reference, squared)
    (wanted,) = torch.autograd.grad(expected, reference)
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(grad, wanted)
    assert Orthonormal(squared)(weight.bfloat16()).dtype == torch.float32


def test_the_minimum_and_zero_rows() -> None:
    rows = torch.linalg.qr(random_rows(9, 4)).Q.T
    assert Orthonormal()(rows).item() == pytest.approx(0.0, abs=1e-14)
    found, grad = loss_and_gradient(torch.eye(3, dtype=F64), Orthonormal())
    assert found.item() == 0.0
    assert bool((grad == 0).all())
    rows[1] = 0.0
    for squared in (False, True):
        assert Orthonormal(squared)(rows).item() == pytest.approx(1.0)
    rows[0, 0] = math.nan
    assert bool(Orthonormal()(rows).isnan())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_over_shards_as_on_one_process(count: int) -> None:
    ways: list[dict[str, object]] = [{"squared": False}, {"squared": True}]
    everything = more_and_fewer_rows_than_dimensions()
    check_over_shards(count, [Case("orthonormal", way, w) for w in everything for way in ways])
