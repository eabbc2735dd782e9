"""SphereFace2 against its formula; where its offset starts."""

from __future__ import annotations

import math

import pytest
import torch
from head_checks import assert_gradcheck, batch, classifier_of
from torch import Tensor

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import SphereFace2


def naive_loss(x: Tensor, classifier: Classifier, labels: Tensor, offset: Tensor) -> Tensor:
    """The paper's formula with r = 40, m = 0.4, λ = 0.7, t = 3, one number at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for embedding, label in zip(x, labels.tolist(), strict=True):
        for number, weight in enumerate(classifier.weight):
            cosine = (embedding @ weight) / (embedding.norm() * weight.norm())
            g = 2.0 * ((cosine + 1.0) / 2.0) ** 3 - 1.0
            if number == label:
                total = total + 0.7 / 40 * torch.log1p(torch.exp(-40 * (g - 0.4) - offset))
            else:
                total = total + 0.3 / 40 * torch.log1p(torch.exp(40 * (g + 0.4) + offset))
    return total / len(x)


@pytest.mark.parametrize("weight", [1.0, 50.0])
def test_is_the_formula(weight: float) -> None:
    head = SphereFace2(loss_weight=weight)
    classifier = classifier_of(head)
    x, labels = batch()
    loss = classifier(x, labels).loss
    expected = weight * naive_loss(x, classifier, labels, head.offset)
    torch.testing.assert_close(loss, expected)
    leaves = (x, classifier.weight, head.offset)
    for ours, theirs in zip(
        torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, leaves), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_gradcheck() -> None:
    assert_gradcheck(SphereFace2(4.0))
    assert_gradcheck(SphereFace2(4.0, power=1.0))


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 1000, 10_575])
def test_the_offset_starts_where_the_loss_of_right_angles_is_smallest(classes: int) -> None:
    head = SphereFace2()
    Classifier(4, classes, head)
    b = head.offset.detach().double().requires_grad_()
    own, other = (40.0 * (2.0 * 0.5**3 - 1.0 + m) + b for m in (-0.4, 0.4))
    softplus = torch.nn.functional.softplus
    loss = 0.7 * softplus(-own) + 0.3 * (classes - 1) * softplus(other)
    slope = torch.autograd.grad(loss, b)[0]
    assert b.item() != 0.0
    assert abs(slope.item()) < 1e-5


def test_is_saved_with_the_classifier() -> None:
    assert list(classifier_of(SphereFace2()).state_dict()) == ["weight", "head.offset"]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: SphereFace2(balance=1.0), "balance must be between 0 and 1"),
        (lambda: SphereFace2(power=0.5), "power must be finite and at least 1"),
        (lambda: SphereFace2(margin=math.nan), "margin must be finite"),
        (lambda: SphereFace2(scale=0.0), "scale must be positive"),
    ],
)
def test_mistakes(build, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
