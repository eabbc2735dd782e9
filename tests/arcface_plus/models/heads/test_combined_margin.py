"""The combined margin against its formula, ArcFace, CosFace and SphereFace."""

from __future__ import annotations

import math

import pytest
import torch
from head_checks import Point, assert_gradcheck, assert_is
from torch import Tensor

from arcface_plus.models.heads import ArcFace, CombinedMargin, CosFace
from arcface_plus.models.heads.sphereface import psi


@pytest.mark.parametrize("margins", [(1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.1, 0.0)])
def test_is_the_formula(margins: tuple[float, float, float]) -> None:
    m1, m2, m3 = margins

    def naive(at: Point, labelled: bool) -> Tensor:
        if not labelled:
            return 16.0 * at.cosine
        angle = m1 * at.cosine.arccos() + m2
        if angle <= math.pi:
            return 16.0 * (angle.cos() - m3)
        if m1 == 1.0:
            return 16.0 * (at.cosine - m2 * math.sin(m2) - m3)
        return 16.0 * (-angle.cos() - 2.0 - m3)

    assert_is(CombinedMargin(16.0, *margins), naive)


@pytest.mark.parametrize("m1", [0.9, 1.0, 1.35])
def test_gradcheck(m1: float) -> None:
    assert_gradcheck(CombinedMargin(4.0, m1, 0.3, 0.2))


def cosines(count: int = 2001) -> tuple[Tensor, Tensor]:
    return torch.linspace(-1, 1, count, dtype=torch.float64)[:, None], torch.zeros(
        count, dtype=torch.int64
    )


def test_contains_arcface_cosface_and_sphereface() -> None:
    cosine, labels = cosines()
    for ours, other in (
        (CombinedMargin(9.0, 1.0, 0.5, 0.0), ArcFace(9.0, 0.5)),
        (CombinedMargin(9.0, 1.0, 0.0, 0.35), CosFace(9.0, 0.35)),
    ):
        torch.testing.assert_close(ours(cosine, labels), other(cosine, labels))
    three = CombinedMargin(1.0, 3.0, 0.0, 0.0)(cosine, labels)
    torch.testing.assert_close(three, psi(cosine, 3), rtol=0, atol=1e-7)


@pytest.mark.parametrize("m1", [0.5, 0.9, 1.35, 3.7])
def test_the_labelled_logit_falls_and_is_finite_at_the_ends(m1: float) -> None:
    cosine, labels = cosines()
    cosine.requires_grad_()
    logits = CombinedMargin(1.0, m1, 0.3, 0.2)(cosine, labels)
    assert bool((logits.diff(dim=0) > 0).all())
    (grad,) = torch.autograd.grad(logits.sum(), cosine)
    assert bool(grad.isfinite().all())
    beyond = CombinedMargin(1.0, m1, 0.3, 0.2)(torch.tensor([[1.0 + 1e-6]]), labels[:1])
    torch.testing.assert_close(beyond.item(), math.cos(0.3) - 0.2, rtol=0, atol=1e-6)
