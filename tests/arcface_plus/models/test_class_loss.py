"""Accuracy is of what a prediction ranks by; other figures are in the tests of the classifier."""

from __future__ import annotations

import torch

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import CosFace, LinearSoftmax


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
