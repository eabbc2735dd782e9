"""AdaFace against its formula and its statistics; what happens at the limits of the angle."""

from __future__ import annotations

import math

import pytest
import torch
from head_checks import Point, assert_gradcheck, assert_is
from torch import Tensor

from arcface_plus.models.heads import AdaFace


def head(mean: float = 30.0, deviation: float = 10.0, margin: float = 0.4) -> AdaFace:
    made = AdaFace(16.0, margin)
    made.running.value = torch.tensor([mean, deviation])
    return made


def naive(at: Point, labelled: bool) -> Tensor:
    """As in the paper, from the angle."""
    if not labelled:
        return 16.0 * at.cosine
    norm = min(max(float(at.norm.detach()), 1e-3), 100.0)
    quality = min(max((norm - 30.0) / (10.0 + 1e-3) * 0.333, -1.0), 1.0)
    angle = (at.cosine.arccos() - 0.4 * quality).clamp(0.0, math.pi)
    return 16.0 * (angle.cos() - 0.4 * quality - 0.4)


def test_is_the_formula() -> None:
    assert_is(head(), naive)


def test_gradcheck() -> None:
    """Not by the norm, which is a constant: the batch's norms do not change its quality here."""
    made = head(mean=1e6)  # every quality is −1
    assert_gradcheck(made)


def test_norm_has_no_gradient() -> None:
    norms = torch.full((2,), 30.0, requires_grad=True)
    logits = head()(torch.rand(2, 3, requires_grad=True), torch.tensor([0, 1]), norms)
    assert torch.autograd.grad(logits.sum(), norms, allow_unused=True)[0] is None


@pytest.mark.parametrize("norm", [1e-5, 20.0, 30.0, 40.0, 1e5])
@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0 + 1e-6, -1.0 - 1e-6, 0.99, -0.99])
def test_values_and_gradients_near_the_ends(norm: float, cosine: float) -> None:
    at = torch.tensor([[cosine, 0.0]], requires_grad=True)
    logit = head()(at, torch.tensor([0]), torch.tensor([norm]))[0, 0]
    inside = min(max(cosine, -1.0), 1.0)
    point = Point(torch.tensor(inside, dtype=torch.float64), torch.tensor(norm), *3 * (0,))
    assert logit.item() == pytest.approx(float(naive(point, True)), abs=3e-5)
    (slope,) = torch.autograd.grad(logit, at)
    assert bool(slope.isfinite().all())


def test_statistics_are_those_of_the_clipped_norms() -> None:
    made = AdaFace(momentum=0.9)
    norms = torch.tensor([1e-6, 10.0, 50.0, 1e4])
    made(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), norms)
    clipped = torch.tensor([1e-3, 10.0, 50.0, 100.0])
    expected = [0.9 * 20 + 0.1 * clipped.mean(), 0.9 * 100 + 0.1 * clipped.std()]
    torch.testing.assert_close(made.running.value, torch.tensor(expected))
    made.eval()(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), norms)
    torch.testing.assert_close(made.running.value, torch.tensor(expected))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: AdaFace(margin=-0.1), "margin must be finite and at least 0"),
        (lambda: AdaFace(h=math.inf), "h must be finite"),
        (lambda: AdaFace(momentum=-0.1), "momentum must be at least 0 and below 1"),
    ],
)
def test_mistakes(build, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
