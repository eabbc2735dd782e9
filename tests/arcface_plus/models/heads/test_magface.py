"""MagFace against its formula: the margin, the term in the norm, and both gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from head_checks import Point, assert_gradcheck, assert_is, batch, classifier_of, naive_logits
from torch import Tensor

from arcface_plus.models.heads import MagFace


def naive(at: Point, labelled: bool) -> Tensor:
    if not labelled:
        return 16.0 * at.cosine
    norm = at.norm.clamp(25.0, 40.0)
    margin = (0.8 - 0.45) / (40.0 - 25.0) * (norm - 25.0) + 0.45
    angle = at.cosine.arccos() + margin
    past = at.cosine - margin * margin.sin()
    return 16.0 * (angle.cos() if float(angle) <= math.pi else past)


def test_is_the_formula() -> None:
    assert_is(MagFace(16.0, 25.0, 40.0, norm_weight=0.0), naive)


def test_the_norm_has_its_term_and_its_gradient() -> None:
    classifier = classifier_of(MagFace(16.0, 25.0, 40.0, norm_weight=35.0))
    x, labels = batch()
    norms = x.norm(dim=1).clamp(25.0, 40.0)
    term = 35.0 * (1.0 / norms + norms / 1600.0).mean()
    logits = naive_logits(x, classifier, labels, naive, 0)
    expected = F.cross_entropy(logits, labels) + term
    loss = classifier(x, labels).loss
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, x)[0], torch.autograd.grad(expected, x)[0])
    assert bool((norms < 40.0).any() and (norms == 40.0).any() and (norms == 25.0).any())


def test_gradcheck() -> None:
    assert_gradcheck(MagFace(4.0, 1.0, 100.0))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: MagFace(lower_norm=0.0), "lower_norm must be positive and below upper_norm"),
        (lambda: MagFace(lower_norm=9.0, upper_norm=9.0), "lower_norm must be positive and below"),
        (lambda: MagFace(upper_margin=0.1), "margins must be from 0 to 3.14"),
        (lambda: MagFace(norm_weight=-1.0), "norm_weight must be finite"),
    ],
)
def test_mistakes(build, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
