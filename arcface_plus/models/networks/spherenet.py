"""SphereNet: convolutions that output the cosine between filter and patch.

Liu et al., "Deep Hyperspherical Learning", NIPS 2017, in the form that the MHE paper regularizes
(its Table 13): cosine SphereConv in every hidden layer of CNN-9, each followed by batch norm.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.networks.cnn import (
    STAGES,
    Features,
    Width,
    check_widths,
    final_side,
    stage,
)
from arcface_plus.models.networks.layers import check_images, he_initialize
from arcface_plus.models.precision import at_least_float32, without_autocast

_EPS = 1e-4
"""Added to the squared norms, as in the authors' public code: a black patch has cosine 0."""


class CosineConv2d(nn.Conv2d):
    """Convolution without bias whose output is w·x / (|w| |x|), x being the patch under w.

    Outside the image x is 0.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, padding: int = 1):
        super().__init__(channels_in, channels_out, kernel, padding=padding, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        products = super().forward(input)
        with without_autocast(input):
            squares = at_least_float32(input).square().sum(dim=1, keepdim=True)
            ones = squares.new_ones(1, 1, *self.kernel_size)
            patches = F.conv2d(squares, ones, padding=self.padding).add(_EPS).rsqrt()
            filters = at_least_float32(self.weight).square().sum(dim=(1, 2, 3)).add(_EPS).rsqrt()
            return products * patches * filters[:, None, None]


class SphereNet(nn.Module):
    """Cosine SphereConv on CNN-9: images (n, 3, side, side) → features (n, embedding_dim), float32.

    The last hidden layer is one, too, over the whole map, with batch norm but without ReLU.
    """

    def __init__(self, side: int = 32, width: Width = 64, embedding_dim: Features = 256) -> None:
        super().__init__()
        check_widths(side, width, embedding_dim)
        self.side, self.embedding_dim = side, embedding_dim
        self.stages = nn.Sequential(
            *(
                stage(CosineConv2d, 3 if k == 0 else width << (k - 1), width << k, 3)
                for k in range(STAGES)
            )
        )
        last = width << (STAGES - 1)
        self.fc = CosineConv2d(last, embedding_dim, final_side(side), padding=0)
        self.features = nn.BatchNorm1d(embedding_dim)
        he_initialize(self, "fan_in")

    def units(self) -> list[nn.Module]:
        """The stages, from input to output."""
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        x = self.stages(images)
        with without_autocast(x):
            x = torch.flatten(self.fc(x.to(self.fc.weight.dtype)), 1)
            features: Tensor = self.features(x)
            return features
