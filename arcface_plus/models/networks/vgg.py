"""VGG with batch norm in its form for small images.

Simonyan and Zisserman, 2015, configurations D (16) and E (19), without the two large fully
connected layers: max pooling after the first four blocks, then the average over the map. This is
the form of the public code that the MMA paper builds on (GraSP). No convolution has a bias.
"""

from __future__ import annotations

from torch import Tensor, nn

from arcface_plus.models.networks.layers import (
    check_images,
    check_side,
    conv,
    global_average,
    he_initialize,
)

_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Images (n, 3, side, side) → features (n, 512), float32.

    ``convolutions``: how many of them each of the five blocks has.
    """

    def __init__(self, convolutions: tuple[int, ...], side: int) -> None:
        super().__init__()
        check_side(side, 16)
        self.side, self.embedding_dim = side, _WIDTHS[-1]
        self.blocks = nn.Sequential()
        channels = 3
        for k, (width, count) in enumerate(zip(_WIDTHS, convolutions, strict=True)):
            block = nn.Sequential(nn.MaxPool2d(2)) if k else nn.Sequential()
            for _ in range(count):
                block.extend([conv(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)])
                channels = width
            self.blocks.append(block)
        he_initialize(self, "fan_out")

    def units(self) -> list[nn.Module]:
        """The blocks, from input to output."""
        return list(self.blocks)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        return global_average(self.blocks(images))


def vgg16_bn(side: int = 32) -> VGG:
    """VGG16-BN for small images: 14.7 M parameters."""
    return VGG((2, 2, 3, 3, 3), side)


def vgg19_bn(side: int = 32) -> VGG:
    """VGG19-BN for small images: 20.0 M parameters."""
    return VGG((2, 2, 4, 4, 4), side)
