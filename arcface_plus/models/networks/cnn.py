"""The plain networks of the MHE paper: CNN-6, CNN-9, CNN-15.

Liu et al., "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, Table 11: three stages
of 3×3 convolutions, each followed by 2×2 max pooling with stride 2, then a fully connected layer to
256 features. As in the authors' public code, no layer has a bias, and the fully connected layer has
neither batch norm nor ReLU. Pooling rounds sides up (TensorFlow's ``SAME``), so 28×28 ends at 4×4
as 32×32 does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from arcface_plus.models.networks.layers import check_images, check_side, conv, he_initialize
from arcface_plus.models.precision import without_autocast

STAGES = 3


class CNN(nn.Module):
    """Images (n, 3, side, side) → features (n, embedding_dim), float32.

    ``convolutions`` 3×3 convolutions in each of three stages of ``width``, 2·``width`` and
    4·``width`` channels.
    """

    def __init__(self, convolutions: int, side: int, width: int, embedding_dim: int) -> None:
        super().__init__()
        check_widths(side, width, embedding_dim)
        self.side, self.embedding_dim = side, embedding_dim
        self.stages = nn.Sequential(
            *(
                stage(conv, 3 if k == 0 else width << (k - 1), width << k, convolutions)
                for k in range(STAGES)
            )
        )
        self.fc = nn.Linear((width << (STAGES - 1)) * final_side(side) ** 2, embedding_dim, False)
        he_initialize(self, "fan_in")

    def units(self) -> list[nn.Module]:
        """The stages, from input to output."""
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        x = torch.flatten(self.stages(images), 1)
        with without_autocast(x):
            features: Tensor = self.fc(x.to(self.fc.weight.dtype))
            return features


def check_widths(side: int, width: int, embedding_dim: int) -> None:
    """Raise ``ValueError`` unless every layer has an output."""
    check_side(side, 1 << STAGES)
    if width < 1 or embedding_dim < 1:
        raise ValueError(
            f"width and embedding_dim must be at least 1, not {width} and {embedding_dim}"
        )


def final_side(side: int) -> int:
    """The side of the last stage's maps: divided by 2 and rounded up after each stage."""
    return -(-side // (1 << STAGES))


def stage(
    convolution: Callable[[int, int], nn.Module], channels_in: int, channels_out: int, count: int
) -> nn.Sequential:
    """``count`` times convolution–BN–ReLU, then max pooling."""
    layers: list[nn.Module] = []
    for k in range(count):
        layers.append(convolution(channels_in if k == 0 else channels_out, channels_out))
        layers += [nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True))


Width = Annotated[int, "filters of the first stage; the others have 2 and 4 times as many"]
Features = Annotated[int, "outputs of the last hidden layer"]


def cnn6(side: int = 32, width: Width = 64, embedding_dim: Features = 256) -> CNN:
    """CNN-6 of the MHE paper: three stages of two convolutions."""
    return CNN(2, side, width, embedding_dim)


def cnn9(side: int = 32, width: Width = 64, embedding_dim: Features = 256) -> CNN:
    """CNN-9 of the MHE paper: three stages of three convolutions."""
    return CNN(3, side, width, embedding_dim)


def cnn15(side: int = 32, width: Width = 64, embedding_dim: Features = 256) -> CNN:
    """CNN-15 of the MHE paper: three stages of five convolutions."""
    return CNN(5, side, width, embedding_dim)


def mnist_2d(side: int = 28, width: Width = 64) -> CNN:
    """CNN-6 with two features, which can be drawn as points (MHE paper, Figs 4 and 8)."""
    return CNN(2, side, width, embedding_dim=2)
