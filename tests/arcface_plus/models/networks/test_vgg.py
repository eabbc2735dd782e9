"""VGG16-BN and VGG19-BN for small images."""

from __future__ import annotations

import pytest
from classification_networks import parameters, shapes
from torch import nn

from arcface_plus.models.networks.vgg import VGG, vgg16_bn, vgg19_bn


@pytest.mark.parametrize(("make", "published"), [(vgg16_bn, 14_728_266), (vgg19_bn, 20_040_522)])
def test_parameters(make: type[VGG], published: int) -> None:
    """Published for 10 classes: 14.73 M and 20.04 M, of versions whose convolutions have biases."""
    biases = sum(m.out_channels for m in make().modules() if isinstance(m, nn.Conv2d))
    assert parameters(make, 10) + biases == published


def test_blocks_of_vgg_19() -> None:
    network = vgg19_bn()
    channels = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert channels == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert shapes(network) == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    first = network.blocks[0][0]
    assert first.weight[0].numel() == 27  # MMA paper, Fig. 1: 64 filters of 27 numbers


def test_blocks_of_vgg_16() -> None:
    channels = [m.out_channels for m in vgg16_bn().modules() if isinstance(m, nn.Conv2d)]
    assert channels == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6


def test_tiny_imagenet_has_the_same_features() -> None:
    network = vgg16_bn(side=64)
    assert shapes(network)[-1] == (512, 4, 4)
    assert network.embedding_dim == 512


def test_width_scales_every_block() -> None:
    network = vgg16_bn(width=8)
    assert shapes(network) == [(8, 32, 32), (16, 16, 16), (32, 8, 8), (64, 4, 4), (64, 2, 2)]
    assert network.embedding_dim == 64
    with pytest.raises(ValueError, match="width must be at least 1, not 0"):
        vgg19_bn(width=0)
