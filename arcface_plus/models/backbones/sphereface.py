"""SphereFace-20 and -64: residual networks without batch norm.

Liu et al., "SphereFace", CVPR 2017, table 2, as its authors published them: four stages, each a 3×3
convolution with stride 2 and units of two 3×3 convolutions, whose input is added; PReLU after every
convolution. Two details are in their files only: the convolutions in the units have no bias (theirs
is 0 and never learned), and the second stage of SphereFace-64 has seven units.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from arcface_plus.models.backbones.checks import check_images, check_parameters
from arcface_plus.models.precision import without_autocast
from data_prep.crop_size import SIDE

Columns = Literal[96, 112]
_WIDTHS = (64, 128, 256, 512)
_UNITS = {20: (1, 2, 4, 1), 64: (3, 7, 16, 3)}


class SphereFaceNet(nn.Module):
    """Images (n, 3, 112, 112) → embeddings (n, embedding_dim), float32.

    ``columns``: 96 takes the middle 96 columns of each image. Those are the field's older 112×96
    crops: the alignment to 112×112 is the same with 8 more pixels on both sides. ``units``: per
    stage. Dropout acts before the linear layer; SphereFace has none. Initialization is theirs:
    Glorot's for the strided convolutions and the linear layer, a normal distribution with standard
    deviation 0.01 in the units.
    """

    def __init__(
        self, units: tuple[int, ...], embedding_dim: int, dropout: float, columns: Columns
    ) -> None:
        super().__init__()
        check_parameters(embedding_dim, dropout)
        if columns not in (96, SIDE):
            raise ValueError(f"columns must be 96 or {SIDE}, not {columns}")
        self.embedding_dim, self.columns = embedding_dim, columns
        stages, channels = [], 3
        for width, count in zip(_WIDTHS, units, strict=True):
            stages.append(nn.Sequential(_strided(channels, width), *map(Unit, [width] * count)))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(channels * (SIDE // 16) * (columns // 16), embedding_dim)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def units(self) -> list[nn.Module]:
        """The blocks on large maps, from input to output."""
        return [unit for stage in self.stages for unit in stage.children()]

    def forward(self, images: Tensor) -> Tensor:
        check_images(images)
        margin = (SIDE - self.columns) // 2
        x = images[..., margin : SIDE - margin]
        for stage in self.stages:
            x = stage(x)
        x = self.dropout(torch.flatten(x, 1))
        with without_autocast(x):
            return self.fc(x.to(self.fc.weight.dtype))


class Unit(nn.Module):
    """x + two 3×3 convolutions, each with PReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
            nn.init.normal_(convolution.weight, std=0.01)
            layers += [convolution, nn.PReLU(width)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _strided(channels_in: int, channels_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)
    nn.init.xavier_uniform_(convolution.weight)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution, nn.PReLU(channels_out))


def sphereface20(
    embedding_dim: int = 512,
    dropout: float = 0.0,
    columns: Annotated[Columns, "of the image: 96 takes the middle ones (the older crop)"] = 112,
) -> SphereFaceNet:
    """SphereFace's 20-layer network: no batch norm."""
    return SphereFaceNet(_UNITS[20], embedding_dim, dropout, columns)


def sphereface64(
    embedding_dim: int = 512,
    dropout: float = 0.0,
    columns: Annotated[Columns, "of the image: 96 takes the middle ones (the older crop)"] = 112,
) -> SphereFaceNet:
    """SphereFace's 64-layer network: no batch norm."""
    return SphereFaceNet(_UNITS[64], embedding_dim, dropout, columns)
