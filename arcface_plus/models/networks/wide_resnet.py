"""Wide residual networks, WRN-depth-widen.

Zagoruyko and Komodakis, "Wide Residual Networks", 2016, Table 1: a 3×3 convolution to 16 channels,
three stages of (depth − 4) / 6 pre-activation units with 16k, 32k and 64k channels, batch norm,
ReLU, and the average over the map. Without dropout, which neither MMA nor AutoAugment uses.
"""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.networks.layers import (
    check_images,
    check_side,
    conv,
    global_average,
    he_initialize,
)


class PreActivationUnit(nn.Module):
    """x + Conv3×3(ReLU(BN(Conv3×3(ReLU(BN(x)))))); the first convolution has the stride.

    Where the number of channels changes, the shortcut is a 1×1 convolution of ReLU(BN(x)).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = conv(channels_in, channels_out, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = conv(channels_out, channels_out)
        self.projection: nn.Conv2d | None = None
        if channels_in != channels_out:
            self.projection = conv(channels_in, channels_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.bn1(x))
        shortcut = x if self.projection is None else self.projection(activated)
        residual: Tensor = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return shortcut + residual


class WideResNet(nn.Module):
    """WRN-28-10 or another depth and factor: 36.5 M parameters.

    Images (n, 3, side, side) → features (n, 64·widen), float32.
    """

    def __init__(
        self,
        side: int = 32,
        depth: Annotated[int, "convolutions: 6n + 4"] = 28,
        widen: Annotated[int, "factor of the channels 16, 32, 64"] = 10,
    ) -> None:
        super().__init__()
        check_side(side, 4)
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth must be 10, 16, 22, 28, … (6n + 4), not {depth}")
        if widen < 1:
            raise ValueError(f"widen must be at least 1, not {widen}")
        self.side, self.embedding_dim = side, 64 * widen
        self.stem = conv(3, 16)
        self.stages = nn.Sequential()
        channels = 16
        for stage, wide in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for k in range((depth - 4) // 6):
                stride = 2 if stage and k == 0 else 1
                self.stages.append(PreActivationUnit(channels, wide, stride))
                channels = wide
        self.bn = nn.BatchNorm2d(channels)
        he_initialize(self, "fan_out")

    def units(self) -> list[nn.Module]:
        """The residual units, from input to output."""
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        return global_average(F.relu(self.bn(self.stages(self.stem(images)))))
