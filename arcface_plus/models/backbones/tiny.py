"""A plain residual network for demonstrations and tests on a CPU, not a published architecture.

38 M multiply-adds per image at width 1, a sixth of MobileFaceNet's, and none of them in depthwise
convolutions on large maps, which are slow on CPUs. The price is a stride of 4 in the first layer.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from arcface_plus.models.backbones.checks import check_images, check_parameters
from arcface_plus.models.precision import without_autocast
from data_prep.crop_size import SIDE

_FINAL_SIDE = SIDE // 16


class Tiny(nn.Module):
    """Images (n, 3, 112, 112) → embeddings (n, embedding_dim), float32.

    Two stages of a strided convolution and a residual unit, then, as in MobileFaceNet, a global
    depthwise convolution. ``width`` multiplies the channels 32, 64, 128.
    """

    def __init__(
        self,
        embedding_dim: int = 512,
        dropout: float = 0.0,
        width: Annotated[float, "factor of all channels"] = 1.0,
    ) -> None:
        super().__init__()
        check_parameters(embedding_dim, dropout)
        if not 0.0 < width <= 4.0:
            raise ValueError(f"width must be above 0 and at most 4, not {width}")
        self.embedding_dim = embedding_dim
        first, second, third = (max(8, round(c * width / 8) * 8) for c in (32, 64, 128))
        self.stem = _conv_bn_prelu(3, first, kernel=5, stride=4)
        self.stages = nn.Sequential(
            _conv_bn_prelu(first, second, stride=2),
            Residual(second),
            _conv_bn_prelu(second, third, stride=2),
            Residual(third),
        )
        self.pool = nn.Sequential(
            nn.Conv2d(third, third, _FINAL_SIDE, groups=third, bias=False), nn.BatchNorm2d(third)
        )
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(third, embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim)

    def units(self) -> list[nn.Module]:
        """The blocks, from input to output."""
        return [self.stem, *self.stages]

    def forward(self, images: Tensor) -> Tensor:
        check_images(images)
        x = self.pool(self.stages(self.stem(images)))
        x = self.dropout(torch.flatten(x, 1))
        with without_autocast(x):
            return self.features(self.fc(x.to(self.fc.weight.dtype)))


class Residual(nn.Module):
    """x + Conv3×3–BN–PReLU–Conv3×3–BN."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv_bn_prelu(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _conv_bn_prelu(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.PReLU(channels_out))
