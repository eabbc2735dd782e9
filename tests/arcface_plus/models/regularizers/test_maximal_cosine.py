"""The maximal cosine against a naive float64 version."""

from __future__ import annotations

import pytest
import torch
from naive_angles import F64, loss_and_gradient, random_rows
from torch import Tensor

from arcface_plus.models.regularizers import MaximalCosine


def naive_maximal_cosine(weight: Tensor) -> Tensor:
    unit = weight.to(F64) / weight.to(F64).norm(dim=1, keepdim=True)
    return (unit @ unit.T - 9.0 * torch.eye(len(weight))).max(dim=1).values.mean()


@pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 5), (40, 8), (100, 3)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-11), (torch.float32, 5e-5)])
def test_value_and_gradient(n: int, d: int, dtype: torch.dtype, tolerance: float) -> None:
    weight = random_rows(n, d, dtype)
    value, grad = loss_and_gradient(weight, MaximalCosine())
    again = weight.to(F64).requires_grad_()
    expected = naive_maximal_cosine(again)
    (expected_grad,) = torch.autograd.grad(expected, again)
    torch.testing.assert_close(value.to(F64), expected.detach(), rtol=tolerance, atol=tolerance)
    scale = expected_grad.abs().max().item()
    torch.testing.assert_close(grad.to(F64), expected_grad, rtol=0, atol=tolerance * scale)
