"""ArcFace against the naive formula, element by element in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from arcface_plus.models.heads import ArcFace

PI = math.pi


def naive_arcface(cosine: Tensor, labels: Tensor, scale: float, margin: float) -> Tensor:
    """Element by element, from the angle, in float64."""
    rows = []
    for row, label in zip(cosine.double(), labels.tolist(), strict=True):
        logits = []
        for number, value in enumerate(row):
            theta = torch.arccos(value)
            if number != label:
                logits.append(scale * value)
            elif theta + margin <= PI:
                logits.append(scale * torch.cos(theta + margin))
            else:
                logits.append(scale * (value - margin * math.sin(margin)))
        rows.append(torch.stack(logits))
    return torch.stack(rows)


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    cosine = (torch.rand(120, 7, dtype=torch.float64) * 1.98 - 0.99).to(dtype)
    return cosine, torch.arange(120) % 7


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-5)])
def test_value_and_gradient_equal_the_naive_ones(
    dtype: torch.dtype, tolerance: float, margin: float
) -> None:
    cosine, labels = batch(dtype)
    cosine.requires_grad_()
    weights = torch.randn(120, 7, dtype=torch.float64)
    logits = ArcFace(scale=30.0, margin=margin)(cosine, labels)
    assert logits.dtype == dtype
    expected = naive_arcface(cosine, labels, 30.0, margin)
    torch.testing.assert_close(logits.double(), expected, rtol=tolerance, atol=30 * tolerance)
    (ours,) = torch.autograd.grad((logits * weights).sum(), cosine)
    (naive,) = torch.autograd.grad((expected * weights).sum(), cosine)
    torch.testing.assert_close(ours, naive, rtol=30 * tolerance, atol=30 * tolerance)


def test_both_branches_were_tested() -> None:
    cosine, labels = batch()
    target = cosine.gather(1, labels[:, None]).arccos()
    assert bool((target + 0.5 > PI).any())
    assert bool((target + 0.5 < PI).any())


def test_gradcheck() -> None:
    cosine, labels = batch()
    assert torch.autograd.gradcheck(ArcFace(2.0, 0.5), (cosine.requires_grad_(), labels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("beyond", [0.0, 1e-6])
@pytest.mark.parametrize("margin_gradient", ["exact", "straight_through"])
def test_value_and_gradient_are_finite_at_the_ends(
    dtype: torch.dtype, beyond: float, margin_gradient: str
) -> None:
    """Where rounding takes a cosine to ±1 or beyond."""
    cosine = torch.tensor([[1.0 + beyond, 0.0], [-1.0 - beyond, 0.0]], dtype=dtype)
    cosine.requires_grad_()
    head = ArcFace(64.0, 0.5, margin_gradient)  # type: ignore[arg-type]
    logits = head(cosine, torch.tensor([0, 0]))
    expected = torch.tensor([math.cos(0.5), -1.0 - 0.5 * math.sin(0.5)], dtype=dtype)
    torch.testing.assert_close(logits[:, 0] / 64, expected, rtol=0, atol=2e-6)
    (grad,) = torch.autograd.grad(logits.sum(), cosine)
    slopes = [1.0, 1.0] if margin_gradient == "straight_through" else [math.cos(0.5), 1.0]
    torch.testing.assert_close(grad[:, 0] / 64, torch.tensor(slopes, dtype=dtype))


def test_straight_through_has_the_same_bits_forward_and_the_scale_backward() -> None:
    cosine, labels = batch(torch.float32)
    cosine.requires_grad_()
    logits = ArcFace(64.0, 0.5, "straight_through")(cosine, labels)
    assert torch.equal(logits, ArcFace(64.0, 0.5)(cosine, labels))
    (grad,) = torch.autograd.grad(logits.sum(), cosine)
    assert torch.equal(grad, torch.full_like(grad, 64.0))


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, 1.5])
def test_the_labelled_logit_falls_as_the_angle_grows(margin: float) -> None:
    theta = torch.linspace(0, PI, 5001, dtype=torch.float64)
    logits = ArcFace(1.0, margin)(theta.cos()[:, None], torch.zeros(5001, dtype=torch.int64))
    assert bool((logits.diff(dim=0) < 0).all())
