"""Densely connected networks without bottleneck, DenseNet-depth-growth.

Huang et al., "Densely Connected Convolutional Networks", 2017, sections 3 and 4.2: a 3×3
convolution to 16 channels, three blocks of (depth − 4) / 3 layers that each add ``growth``
channels, and between them 1×1 convolutions that keep the number of channels, with 2×2 average
pooling. The paper uses dropout only where it does not augment; this network has none.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.networks.layers import (
    check_images,
    check_side,
    conv,
    global_average,
    he_initialize,
)

_BLOCKS = 3


class DenseLayer(nn.Module):
    """(n, c, h, w) → (n, c + growth, h, w): x beside Conv3×3(ReLU(BN(x)))."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = conv(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.bn(x)))], dim=1)


class Transition(nn.Module):
    """BN–ReLU–Conv1×1, then average pooling to half the side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


class DenseNet(nn.Module):
    """DenseNet-40-12 or another depth and growth: 1.0 M parameters.

    Images (n, 3, side, side) → features (n, 16 + growth·(depth − 4)), float32.
    """

    def __init__(
        self,
        side: int = 32,
        depth: Annotated[int, "convolutions and the classifier: 3n + 4"] = 40,
        growth: Annotated[int, "channels that each layer adds"] = 12,
    ) -> None:
        super().__init__()
        check_side(side, 4)
        if depth < 7 or (depth - 4) % _BLOCKS:
            raise ValueError(f"depth must be 7, 10, 13, … (3n + 4), not {depth}")
        if growth < 1:
            raise ValueError(f"growth must be at least 1, not {growth}")
        channels = 16
        self.stem = conv(3, channels)
        self.layers = nn.Sequential()
        for block in range(_BLOCKS):
            if block:
                self.layers.append(Transition(channels))
            for _ in range((depth - 4) // _BLOCKS):
                self.layers.append(DenseLayer(channels, growth))
                channels += growth
        self.bn = nn.BatchNorm2d(channels)
        self.side, self.embedding_dim = side, channels
        he_initialize(self, "fan_out")

    def units(self) -> list[nn.Module]:
        """The layers and transitions, from input to output."""
        return list(self.layers)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        return global_average(F.relu(self.bn(self.layers(self.stem(images)))))
