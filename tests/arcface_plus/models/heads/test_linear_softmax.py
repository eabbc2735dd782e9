"""Plain softmax against torch's linear layer and cross entropy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from head_checks import Point, assert_gradcheck, assert_is, batch, classifier_of
from torch import Tensor

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import CosFace, LinearSoftmax


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


def test_the_accuracy_of_a_linear_layer_is_that_of_its_logits():
    torch.manual_seed(0)
    classifier = Classifier(4, 6, LinearSoftmax(), std=1.0)
    torch.nn.init.normal_(classifier.bias, std=3.0)
    features, labels = torch.randn(200, 4), torch.randint(6, (200,))
    linear = features @ classifier.weight.T + classifier.bias
    found = classifier(features, labels)
    assert found.accuracy == (linear.argmax(1) == labels).float().mean()
    cosine = features @ torch.nn.functional.normalize(classifier.weight).T
    assert found.accuracy != (cosine.argmax(1) == labels).float().mean()
    assert torch.allclose(found.loss, torch.nn.functional.cross_entropy(linear, labels))


def test_the_accuracy_of_a_margin_head_is_that_of_the_cosines():
    torch.manual_seed(0)
    classifier = Classifier(4, 6, CosFace(), std=1.0)
    features, labels = torch.randn(200, 4), torch.randint(6, (200,))
    cosine = features @ torch.nn.functional.normalize(classifier.weight).T
    expected = (cosine.argmax(1) == labels).float().mean()
    assert classifier(features, labels).accuracy == expected
