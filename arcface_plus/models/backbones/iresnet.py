"""Improved residual networks of the ArcFace paper, with InsightFace's parameter names.

Architecture: Deng et al., "ArcFace", 2019, section 3.1: residual units BN–Conv–BN–PReLU–Conv–BN
(Han et al. 2017) whose second convolution carries the stride, a stem that keeps 112×112, and
BN–Dropout–FC–BN to the embedding. Names, shapes and constants equal those of InsightFace's
``arcface_torch``, so the ``backbone.pth`` files of its model zoo load with ``strict=True``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arcface_plus.models.backbones.checks import check_images, check_parameters
from arcface_plus.models.precision import without_autocast
from data_prep.crop_size import SIDE

_WIDTHS = (64, 128, 256, 512)
_BN_EPS = 1e-5
_FINAL_SIDE = SIDE // 16  # four stages, each halving the side


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False
    )


class ResidualUnit(nn.Module):
    """BN–Conv3×3–BN–PReLU–Conv3×3(stride)–BN beside an identity or a projection."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in, eps=_BN_EPS)
        self.conv1 = _conv(channels_in, channels_out, 3)
        self.bn2 = nn.BatchNorm2d(channels_out, eps=_BN_EPS)
        self.prelu = nn.PReLU(channels_out)
        self.conv2 = _conv(channels_out, channels_out, 3, stride)
        self.bn3 = nn.BatchNorm2d(channels_out, eps=_BN_EPS)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                _conv(channels_in, channels_out, 1, stride),
                nn.BatchNorm2d(channels_out, eps=_BN_EPS),
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        residual = self.bn3(self.conv2(residual))
        shortcut = x if self.downsample is None else self.downsample(x)
        return residual + shortcut


class IResNet(nn.Module):
    """An IResNet with ``layers[i]`` residual units in stage i (four stages).

    ``forward``: images (n, 3, 112, 112) → embeddings (n, embedding_dim), float32 whatever the
    autocast dtype, since the fully connected layer and the last batch norm run without autocast.
    """

    def __init__(
        self, layers: Sequence[int], embedding_dim: int = 512, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_parameters(embedding_dim, dropout)
        if len(layers) != len(_WIDTHS) or min(layers) < 1:
            raise ValueError(f"layers must be four positive integers, not {list(layers)}")
        self.embedding_dim = embedding_dim
        self.conv1 = _conv(3, _WIDTHS[0], 3)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0], eps=_BN_EPS)
        self.prelu = nn.PReLU(_WIDTHS[0])
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], layers[0])
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], layers[1])
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], layers[2])
        self.layer4 = _stage(_WIDTHS[2], _WIDTHS[3], layers[3])
        self.bn2 = nn.BatchNorm2d(_WIDTHS[3], eps=_BN_EPS)
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(_WIDTHS[3] * _FINAL_SIDE**2, embedding_dim)
        self.features = nn.BatchNorm1d(embedding_dim, eps=_BN_EPS)
        # Embeddings are normalized, so their scale has no effect: it stays at 1.
        self.features.weight.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, mean=0.0, std=0.1)

    def units(self) -> list[nn.Module]:
        """The residual units, from input to output."""
        return [*self.layer1, *self.layer2, *self.layer3, *self.layer4]

    def forward(self, images: Tensor) -> Tensor:
        check_images(images)
        x = self.prelu(self.bn1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.dropout(torch.flatten(self.bn2(x), 1))
        with without_autocast(x):
            return self.features(self.fc(x.to(self.fc.weight.dtype)))


def _stage(channels_in: int, channels_out: int, units: int) -> nn.Sequential:
    first = ResidualUnit(channels_in, channels_out, stride=2)
    rest = (ResidualUnit(channels_out, channels_out, stride=1) for _ in range(units - 1))
    return nn.Sequential(first, *rest)


def r18(embedding_dim: int = 512, dropout: float = 0.0) -> IResNet:
    """IResNet-18: 24.03 M parameters at 512 dimensions."""
    return IResNet((2, 2, 2, 2), embedding_dim, dropout)


def r34(embedding_dim: int = 512, dropout: float = 0.0) -> IResNet:
    """IResNet-34: 34.14 M parameters at 512 dimensions."""
    return IResNet((3, 4, 6, 3), embedding_dim, dropout)


def r50(embedding_dim: int = 512, dropout: float = 0.0) -> IResNet:
    """IResNet-50: 43.59 M parameters at 512 dimensions; the paper's network."""
    return IResNet((3, 4, 14, 3), embedding_dim, dropout)


def r100(embedding_dim: int = 512, dropout: float = 0.0) -> IResNet:
    """IResNet-100: 65.16 M parameters at 512 dimensions."""
    return IResNet((3, 13, 30, 3), embedding_dim, dropout)


def r200(embedding_dim: int = 512, dropout: float = 0.0) -> IResNet:
    """IResNet-200: 118.83 M parameters at 512 dimensions."""
    return IResNet((6, 26, 60, 6), embedding_dim, dropout)


def r2060(embedding_dim: int = 512, dropout: float = 0.0) -> IResNet:
    """IResNet-2060: 1,122.30 M parameters; it always trains with activation checkpointing."""
    return IResNet((3, 128, 896, 3), embedding_dim, dropout)
