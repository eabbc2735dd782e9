"""Plain softmax against torch's linear layer and cross entropy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from head_checks import Point, assert_gradcheck, assert_is, batch, classifier_of
from torch import Tensor

from arcface_plus.models.heads import LinearSoftmax


def test_is_a_linear_layer() -> None:
    classifier = classifier_of(LinearSoftmax())
    x, labels = batch()
    expected = F.cross_entropy(F.linear(x, classifier.weight, classifier.bias), labels)
    loss = classifier(x, labels).loss
    torch.testing.assert_close(loss, expected)
    leaves = (x, classifier.weight, classifier.bias)
    for ours, theirs in zip(
        torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, leaves), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_is_the_formula() -> None:
    def naive(at: Point, labelled: bool) -> Tensor:
        return at.norm * at.class_norm * at.cosine + at.bias

    assert_is(LinearSoftmax(), naive)


def test_gradcheck() -> None:
    assert_gradcheck(LinearSoftmax())


def test_biases_start_at_zero_one_per_class() -> None:
    from arcface_plus.models.classifier import Classifier

    state = Classifier(6, 9, LinearSoftmax()).state_dict()
    assert list(state) == ["weight", "bias"]
    assert torch.equal(state["bias"], torch.zeros(9))
