"""Orthogonality against its definition, and its minima."""

from __future__ import annotations

import math

import pytest
import torch
from naive_angles import F64, loss_and_gradient, random_rows, simplex
from sharded_regularizers import Case, check_over_shards
from sharded_rows import more_and_fewer_rows_than_dimensions
from torch import Tensor

from arcface_plus.models.regularizers import Orthogonal


def naive(weight: Tensor) -> Tensor:
    unit = weight.to(F64) / weight.to(F64).norm(dim=1, keepdim=True)
    return (unit @ unit.T - torch.eye(len(unit))).square().sum() / 2


@pytest.mark.parametrize(("n", "d"), [(3, 8), (8, 8), (40, 6)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-11), (torch.float32, 1e-6)])
def test_value_and_gradient(n: int, d: int, dtype: torch.dtype, tolerance: float) -> None:
    weight = random_rows(n, d, dtype)
    found, grad = loss_and_gradient(weight, Orthogonal())
    reference = weight.to(F64).requires_grad_()
    expected = naive(reference)
    (wanted,) = torch.autograd.grad(expected, reference)
    assert found.dtype == dtype
    assert found.item() == pytest.approx(expected.item(), rel=tolerance)
    assert (grad - wanted).norm() <= tolerance * wanted.norm()
    assert torch.autograd.gradcheck(Orthogonal(), (weight.double().requires_grad_(),))


def test_known_values() -> None:
    orthoplex = torch.cat((torch.eye(5), -torch.eye(5))).double()
    assert Orthogonal()(orthoplex).item() == pytest.approx(5.0)  # D
    assert Orthogonal()(7.0 * simplex(6)).item() == pytest.approx(0.5 * 7 / 6)  # ½·n/(n−1)
    assert Orthogonal()(3.0 * torch.eye(4)).item() == 0.0
    for d in (3, 5):
        bound = 0.5 * 20 * (20 - d) / d
        assert Orthogonal()(random_rows(20, d)).item() >= bound  # Welch
    angles = torch.arange(7) * (math.pi / 7)
    frame = torch.stack((angles.cos(), angles.sin()), dim=1).double()
    assert Orthogonal()(frame).item() == pytest.approx(0.5 * 7 * 5 / 2)  # a tight frame reaches it


@pytest.mark.parametrize("d", [3, 12])
def test_zero_rows_are_left_out_and_nan_is_not_hidden(d: int) -> None:
    weight = random_rows(8, d)
    expected = Orthogonal()(torch.cat((weight[:4], weight[5:])))
    weight[4] = 0.0
    found, grad = loss_and_gradient(weight, Orthogonal())
    torch.testing.assert_close(found, expected)
    assert bool((grad[4] == 0).all())
    assert bool(grad.isfinite().all())
    weight[2, 1] = math.nan
    assert bool(Orthogonal()(weight).isnan())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_over_shards_as_on_one_process(count: int) -> None:
    everything = more_and_fewer_rows_than_dimensions()
    check_over_shards(count, [Case("orthogonal", {}, weight) for weight in everything])
