"""SphereFace and L-Softmax: ψ, annealing, the formula, and pytorch-metric-learning."""

from __future__ import annotations

import math

import pytest
import torch
from head_checks import Point, assert_gradcheck, assert_is
from metric_learning import assert_same_loss
from torch import Tensor

from arcface_plus.models.heads import LSoftmax, SphereFace
from arcface_plus.models.heads.sphereface import psi

MARGINS = [1, 2, 3, 4]


def naive_psi(cosine: Tensor, m: int) -> Tensor:
    """From the angle, as the paper writes it."""
    theta = cosine.clamp(-1.0, 1.0).arccos()
    k = (theta.detach() * m / math.pi).floor().clamp(0, m - 1)
    return (-1.0) ** k * (m * theta).cos() - 2.0 * k


@pytest.mark.parametrize("m", MARGINS)
def test_psi_is_the_papers_function(m: int) -> None:
    cosine = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    torch.testing.assert_close(psi(cosine, m), naive_psi(cosine, m), rtol=0, atol=1e-13)
    assert psi(torch.ones(1), m).item() == 1.0
    assert psi(-torch.ones(1), m).item() == 1.0 - 2.0 * m
    assert bool((psi(cosine, m).diff() > 0).all())


@pytest.mark.parametrize("m", MARGINS)
def test_psi_is_smooth_where_its_pieces_meet(m: int) -> None:
    """At kπ/m: continuous, and its slope by cos θ is that of the difference quotients."""
    for k in range(m + 1):
        meeting = torch.tensor(math.cos(k * math.pi / m), dtype=torch.float64)
        torch.testing.assert_close(
            psi(meeting, m), torch.tensor(1.0 - 2.0 * k, dtype=torch.float64), rtol=0, atol=1e-14
        )
        step = 1e-6
        for side in (-step, step):
            at = (meeting + side).requires_grad_()
            if abs(float(at)) > 1.0:
                continue
            slope = torch.autograd.grad(psi(at, m), at)[0]
            quotient = (psi(at, m) - psi(meeting, m)) / side
            torch.testing.assert_close(slope, quotient.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("m", MARGINS)
def test_slopes_at_the_ends_are_finite(m: int) -> None:
    ends = torch.tensor([1.0, -1.0, 1.0 + 1e-6], requires_grad=True)
    (slopes,) = torch.autograd.grad(psi(ends, m).sum(), ends)
    torch.testing.assert_close(slopes, torch.full((3,), float(m * m)), rtol=1e-4, atol=0)


def test_annealing_is_that_of_the_authors() -> None:
    head = SphereFace()
    assert head.annealing(0) == 1000.0
    assert head.annealing(100) == pytest.approx(1000.0 / 13.0)
    assert head.annealing(1658) > 5.0
    assert head.annealing(1659) == 5.0
    assert head.annealing(38_000) == 5.0


@pytest.mark.parametrize("m", MARGINS)
@pytest.mark.parametrize("kind", [SphereFace, LSoftmax])
def test_is_the_formula(kind: type[SphereFace], m: int) -> None:
    def naive(at: Point, labelled: bool) -> Tensor:
        length = at.norm * at.class_norm if kind is LSoftmax else at.norm
        if not labelled:
            return length * at.cosine
        weight = max(5.0, 1000.0 / (1.0 + 0.12 * at.step))
        return (weight * length * at.cosine + length * naive_psi(at.cosine, m)) / (1.0 + weight)

    assert_is(kind(m), naive)
    assert_is(kind(m), naive, step=5000)


@pytest.mark.parametrize("kind", [SphereFace, LSoftmax])
def test_gradcheck(kind: type[SphereFace]) -> None:
    for m in MARGINS:
        assert_gradcheck(kind(m))


@pytest.mark.parametrize("m", MARGINS)
def test_is_that_of_pytorch_metric_learning(m: int) -> None:
    assert_same_loss(SphereFace(m, 0.0, 0.0, 0.0), "SphereFaceLoss", margin=m, scale=1)
    assert_same_loss(LSoftmax(m, 0.0, 0.0, 0.0), "LargeMarginSoftmaxLoss", margin=m, scale=1)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: SphereFace(5), "margin must be 1, 2, 3 or 4, not 5"),
        (lambda: LSoftmax(0), "margin must be 1, 2, 3 or 4, not 0"),
        (lambda: SphereFace(4, -1.0), "lambda_start must be finite and at least 0, not -1.0"),
        (lambda: SphereFace(4, lambda_min=math.nan), "lambda_min must be finite"),
    ],
)
def test_mistakes(build, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
