"""Residual networks for small images: ResNet-20, 32, 56.

He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2: a 3×3 convolution,
three stages of (depth − 2) / 6 units each, of ``width``, 2·``width`` and 4·``width`` channels, and
the average over the map. The paper's width is 16; ResNet-32 of the MHE paper (Table 12) has 64.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.networks.layers import (
    check_images,
    check_side,
    conv,
    global_average,
    he_initialize,
)

Shortcut = Literal["identity", "projection"]


class ResidualUnit(nn.Module):
    """ReLU(x + Conv–BN–ReLU–Conv–BN); the first convolution has the stride.

    Where the number of channels grows, ``shortcut`` identity takes every second pixel and fills up
    with zero channels (the paper's option A, without parameters); projection is a 1×1 convolution
    with batch norm (option B).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = conv(channels_in, channels_out, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = conv(channels_out, channels_out)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.stride, self.more_channels = stride, channels_out - channels_in
        self.projection: nn.Sequential | None = None
        if self.more_channels and shortcut == "projection":
            self.projection = nn.Sequential(
                conv(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return F.relu(self._shortcut(x) + residual)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.projection is not None:
            projected: Tensor = self.projection(x)
            return projected
        if self.more_channels:
            x = x[:, :, :: self.stride, :: self.stride]
            return F.pad(x, (0, 0, 0, 0, 0, self.more_channels))
        return x


class CifarResNet(nn.Module):
    """Images (n, 3, side, side) → features (n, 4·width), float32."""

    def __init__(self, units: int, side: int, width: int, shortcut: Shortcut) -> None:
        super().__init__()
        check_side(side, 4)
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        if shortcut not in ("identity", "projection"):
            raise ValueError(f"shortcut must be identity or projection, not {shortcut}")
        self.side, self.embedding_dim = side, 4 * width
        self.stem = nn.Sequential(conv(3, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.stages = nn.Sequential()
        channels = width
        for stage, wide in enumerate((width, 2 * width, 4 * width)):
            for k in range(units):
                stride = 2 if stage and k == 0 else 1
                self.stages.append(ResidualUnit(channels, wide, stride, shortcut))
                channels = wide
        he_initialize(self, "fan_out")

    def units(self) -> list[nn.Module]:
        """The residual units, from input to output."""
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        return global_average(self.stages(self.stem(images)))


Width = Annotated[int, "channels of the first stage; the others have 2 and 4 times as many"]


def resnet20(side: int = 32, width: Width = 16, shortcut: Shortcut = "identity") -> CifarResNet:
    """ResNet-20 for small images: 0.27 M parameters."""
    return CifarResNet(3, side, width, shortcut)


def resnet32(side: int = 32, width: Width = 16, shortcut: Shortcut = "identity") -> CifarResNet:
    """ResNet-32 for small images: 0.46 M parameters; the MHE paper's has width 64."""
    return CifarResNet(5, side, width, shortcut)


def resnet56(side: int = 32, width: Width = 16, shortcut: Shortcut = "identity") -> CifarResNet:
    """ResNet-56 for small images: 0.85 M parameters."""
    return CifarResNet(9, side, width, shortcut)
