"""Softmax cross entropy over a linear layer, against torch's own modules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from arcface_plus.models.softmax_classifier import SoftmaxClassifier


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.01])
def test_it_is_a_linear_layer_with_cross_entropy(bias: bool, smoothing: float) -> None:
    torch.manual_seed(0)
    classifier = SoftmaxClassifier(5, 4, bias, smoothing)
    linear = nn.Linear(5, 4, bias)
    with torch.no_grad():
        linear.weight.copy_(classifier.weight)
        if bias:
            classifier.bias.normal_()
            linear.bias.copy_(classifier.bias)
    features, labels = torch.randn(8, 5), torch.randint(4, (8,))
    loss, accuracy = classifier(features, labels)
    logits = linear(features)
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, labels)
    assert torch.equal(loss, expected)
    assert accuracy == (logits.argmax(1) == labels).float().mean()
    loss.backward()
    expected.backward()
    assert torch.equal(classifier.weight.grad, linear.weight.grad)


def test_initialization() -> None:
    torch.manual_seed(0)
    classifier = SoftmaxClassifier(256, 100)
    assert classifier.weight.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.02)
    assert not classifier.bias.any()


def test_float32_under_autocast() -> None:
    classifier = SoftmaxClassifier(64, 10)
    features, labels = torch.randn(8, 64, dtype=torch.bfloat16), torch.arange(8)
    exact = classifier(features.float(), labels).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = classifier(features, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, exact)


@pytest.mark.parametrize(
    "wrong", [{"embedding_dim": 0}, {"classes": 1}, {"label_smoothing": 1.0},
              {"label_smoothing": -0.1}, {"label_smoothing": float("nan")}]
)  # fmt: skip
def test_invalid_parameters(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least"):
        SoftmaxClassifier(**({"embedding_dim": 3, "classes": 2} | wrong))
