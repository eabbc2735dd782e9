"""VGG with batch norm in its form for small images.

Simonyan and Zisserman, 2015, configurations D (16) and E (19), without the two large fully
connected layers: max pooling after the first four blocks, then the average over the map. This is
the form of the public code that the MMA paper builds on (GraSP). No convolution has a bias.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from arcface_plus.models.networks.layers import (
    check_images,
    check_side,
    conv,
    global_average,
    he_initialize,
)

_BLOCKS = (1, 2, 4, 8, 8)
"""Channels of the five blocks, in multiples of the first one's."""


class VGG(nn.Module):
    """Images (n, 3, side, side) → features (n, 8·width), float32.

    ``convolutions``: how many of them each of the five blocks has.
    """

    def __init__(self, convolutions: tuple[int, ...], side: int, width: int) -> None:
        super().__init__()
        check_side(side, 16)
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        self.side, self.embedding_dim = side, width * _BLOCKS[-1]
        self.blocks = nn.Sequential()
        channels = 3
        for k, (times, count) in enumerate(zip(_BLOCKS, convolutions, strict=True)):
            block = nn.Sequential(nn.MaxPool2d(2)) if k else nn.Sequential()
            wide = times * width
            for _ in range(count):
                block.extend([conv(channels, wide), nn.BatchNorm2d(wide), nn.ReLU(inplace=True)])
                channels = wide
            self.blocks.append(block)
        he_initialize(self, "fan_out")

    def units(self) -> list[nn.Module]:
        """The blocks, from input to output."""
        return list(self.blocks)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        return global_average(self.blocks(images))


Width = Annotated[int, "channels of the first block; the last two have 8 times as many"]


def vgg16_bn(side: int = 32, width: Width = 64) -> VGG:
    """VGG16-BN for small images: 14.7 M parameters."""
    return VGG((2, 2, 3, 3, 3), side, width)


def vgg19_bn(side: int = 32, width: Width = 64) -> VGG:
    """VGG19-BN for small images: 20.0 M parameters."""
    return VGG((2, 2, 4, 4, 4), side, width)
