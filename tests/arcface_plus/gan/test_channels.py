"""Numbers of maps, and initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcface_plus.gan.channels import initialize, scaled


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(64, 1.0, 64), (64, 0.25, 16), (64, 0.001, 1), (5, 0.5, 2)]
)
def test_a_layer_has_at_least_one_map(channels, width, expected):
    assert scaled(channels, width) == expected


def test_weights_are_truncated_at_two_deviations():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 64, 3), nn.ConvTranspose2d(8, 64, 3), nn.Linear(64, 64))
    initialize(network)
    for layer in network:
        assert layer.weight.abs().max() <= 0.04
        assert layer.weight.std().item() == pytest.approx(0.0176, rel=0.05)  # 0.88 of 0.02
        assert not layer.bias.any()
