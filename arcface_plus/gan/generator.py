"""The generator of the MHE paper's GAN."""

from __future__ import annotations

from torch import Tensor, nn

from arcface_plus.gan.channels import initialize, scaled

SIDE = 32
_FIRST = 4  # side of the maps after the dense layer


class Generator(nn.Module):
    """Latent vectors z (n, latent_dim) → images (n, 3, 32, 32) in [−1, 1].

    Liu et al., "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, Table 15a: a dense
    layer to 512 maps of 4×4; three 4×4 transposed convolutions with stride 2 to 256, 128 and 64
    maps; a 3×3 convolution to 3; tanh. Batch norm and ReLU after all but the last, after the dense
    layer too, as in the authors' public code. Layers before a batch norm have no bias, which it
    would remove.

    Args:
        width: factor of the numbers of maps.
    """

    def __init__(self, latent_dim: int = 128, width: float = 1.0) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        first, *others = (scaled(maps, width) for maps in (512, 256, 128, 64))
        self.dense = nn.Linear(latent_dim, first * _FIRST**2, bias=False)
        self.dense_norm = nn.Sequential(_norm(nn.BatchNorm1d, first * _FIRST**2), nn.ReLU())
        layers: list[nn.Module] = []
        before = first
        for maps in others:
            layers.append(nn.ConvTranspose2d(before, maps, 4, stride=2, padding=1, bias=False))
            layers += [_norm(nn.BatchNorm2d, maps), nn.ReLU()]
            before = maps
        self.growing = nn.Sequential(*layers)
        self.last = nn.Conv2d(before, 3, 3, padding=1)
        initialize(self)

    def forward(self, latents: Tensor) -> Tensor:
        maps = self.dense_norm(self.dense(latents)).unflatten(1, (-1, _FIRST, _FIRST))
        images: Tensor = self.last(self.growing(maps)).tanh()
        return images


def _norm(kind: type[nn.BatchNorm1d | nn.BatchNorm2d], features: int) -> nn.Module:
    """As in the public code: a running average of 0.9, and 2e-5 in the root."""
    return kind(features, eps=2e-5, momentum=0.1)
