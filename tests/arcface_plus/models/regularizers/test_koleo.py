"""KoLeo against a naive float64 version."""

from __future__ import annotations

import math

import pytest
import torch
from naive_angles import F64, loss_and_gradient, random_rows
from torch import Tensor

from arcface_plus.models.regularizers import KoLeo


def naive_koleo(weight: Tensor) -> Tensor:
    unit = weight.to(F64) / weight.to(F64).norm(dim=1, keepdim=True)
    distance = (unit[:, None] - unit[None, :]).norm(dim=2) + 9.0 * torch.eye(len(weight))
    return -distance.min(dim=1).values.log().mean()


@pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 5), (40, 8), (100, 3)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-11), (torch.float32, 5e-5)])
def test_value_and_gradient(n: int, d: int, dtype: torch.dtype, tolerance: float) -> None:
    weight = random_rows(n, d, dtype)
    value, grad = loss_and_gradient(weight, KoLeo())
    again = weight.to(F64).requires_grad_()
    expected = naive_koleo(again)
    (expected_grad,) = torch.autograd.grad(expected, again)
    torch.testing.assert_close(value.to(F64), expected.detach(), rtol=tolerance, atol=tolerance)
    scale = expected_grad.abs().max().item()
    torch.testing.assert_close(grad.to(F64), expected_grad, rtol=0, atol=tolerance * scale)


def test_koleo_pushes_identical_rows_apart_by_a_finite_force() -> None:
    weight = torch.eye(10, 16, dtype=F64)
    weight[7] = weight[3]
    value, grad = loss_and_gradient(weight, KoLeo())
    assert grad[3].norm().item() == pytest.approx(2 * 1000 / 10)
    far = -math.log(math.sqrt(2))
    assert value.item() == pytest.approx((8 * far + 2 * (math.log(1000) + 1)) / 10)
