"""MobileFaceNet: about one million parameters, for small devices.

Chen et al., "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile
Devices", 2018, table 1: inverted residuals with PReLU, and a global depthwise convolution instead
of average pooling, so that the embedding can give the corners of a face less weight than its
centre.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from arcface_plus.models.backbones.checks import check_images, check_parameters
from arcface_plus.models.precision import without_autocast
from data_prep.crop_size import SIDE

_FINAL_SIDE = SIDE // 16
# Table 1: expansion t, output channels c, units n, stride s of the first unit.
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class MobileFaceNet(nn.Module):
    """Images (n, 3, 112, 112) → embeddings (n, embedding_dim), float32.

    ``width`` multiplies every number of channels (rounded to a multiple of 8): 1.0 is the paper's
    network, 0.25 a small one for demonstrations on a CPU. Dropout acts before the last linear
    layer.
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
        stem, last = _scaled(64, width), _scaled(512, width)
        self.stem = nn.Sequential(
            _conv_bn_prelu(3, stem, kernel=3, stride=2),
            _conv_bn_prelu(stem, stem, kernel=3, groups=stem),
        )
        self.bottlenecks = nn.Sequential(*_bottlenecks(stem, width))
        self.expand = _conv_bn_prelu(_scaled(128, width), last, kernel=1)
        self.pool = _conv_bn(last, last, kernel=_FINAL_SIDE, groups=last, padding=0)
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(last, embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.25)

    def units(self) -> list[nn.Module]:
        """The blocks on large maps, from input to output."""
        return [self.stem, *self.bottlenecks, self.expand]

    def forward(self, images: Tensor) -> Tensor:
        check_images(images)
        x = self.expand(self.bottlenecks(self.stem(images)))
        x = self.dropout(torch.flatten(self.pool(x), 1))
        with without_autocast(x):
            return self.features(self.fc(x.to(self.fc.weight.dtype)))


class Bottleneck(nn.Module):
    """Conv1×1 to t times the channels, depthwise 3×3, linear Conv1×1; residual if shapes match."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.layers = nn.Sequential(
            _conv_bn_prelu(channels_in, hidden, kernel=1),
            _conv_bn_prelu(hidden, hidden, kernel=3, stride=stride, groups=hidden),
            _conv_bn(hidden, channels_out, kernel=1),
        )
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def _bottlenecks(channels: int, width: float) -> list[Bottleneck]:
    units = []
    for expansion, unscaled, count, stride in _BOTTLENECKS:
        for number in range(count):
            out = _scaled(unscaled, width)
            units.append(Bottleneck(channels, out, expansion, stride if number == 0 else 1))
            channels = out
    return units


def _scaled(channels: int, width: float) -> int:
    return max(8, round(channels * width / 8) * 8)


def _conv_bn(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    padding: int | None = None,
) -> nn.Sequential:
    padding = kernel // 2 if padding is None else padding
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


def _conv_bn_prelu(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    layers = _conv_bn(channels_in, channels_out, kernel, stride, groups)
    return layers.append(nn.PReLU(channels_out))
