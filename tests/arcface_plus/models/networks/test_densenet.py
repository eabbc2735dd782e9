"""DenseNet-40-12: published size, shapes, and what a layer keeps."""

from __future__ import annotations

import pytest
import torch
from classification_networks import parameters, shapes
from torch import nn

from arcface_plus.models.networks.densenet import DenseLayer, DenseNet, Transition


def test_parameters_of_densenet_40_12() -> None:
    """Huang et al., Table 2: 1.0 M."""
    assert parameters(DenseNet, 10) == 1_019_722


def test_depth_counts_convolutions_and_the_classifier() -> None:
    convolutions = [m for m in DenseNet().modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) + 1 == 40


def test_channels_grow_by_12_and_transitions_keep_them() -> None:
    found = shapes(DenseNet())
    first = [(16 + 12 * k, 32, 32) for k in range(1, 13)]
    second = [(160 + 12 * k, 16, 16) for k in range(13)]
    third = [(304 + 12 * k, 8, 8) for k in range(13)]
    assert found == first + second + third


def test_a_layer_keeps_its_input_beside_what_it_adds() -> None:
    x = torch.randn(2, 5, 4, 4)
    out = DenseLayer(5, 3)(x)
    assert out.shape == (2, 8, 4, 4)
    assert torch.equal(out[:, :5], x)


def test_a_transition_averages_two_by_two() -> None:
    layer = Transition(2).eval()
    with torch.no_grad():
        layer.conv.weight.copy_(torch.eye(2)[:, :, None, None])
    x = torch.rand(1, 2, 4, 4)
    expected = layer.bn(x).unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean(dim=(3, 5))
    assert torch.allclose(layer(x), expected)


@pytest.mark.parametrize("wrong", [{"depth": 41}, {"depth": 4}, {"growth": 0}])
def test_invalid_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DenseNet(**wrong)
