"""The discriminator of the MHE paper's GAN."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from arcface_plus.gan.channels import initialize, scaled

Normalization = Literal["none", "batch", "spectral"]
_LEAK = 0.1
_LAYERS = ((64, 3, 1), (128, 4, 2), (128, 3, 1), (256, 4, 2), (256, 3, 1), (512, 4, 2), (512, 3, 1))
"""Maps, kernel, stride of each convolution."""


class Discriminator(nn.Module):
    """Images (n, 3, 32, 32) in [−1, 1] → scores (n,), logits of "real".

    Seven convolutions (3×3 with 64 maps, 4×4 stride 2 with 128, then 3×3 and 4×4 in turn up to 512
    maps of 4×4), each followed by leaky ReLU of slope 0.1, and a dense layer to one score. The
    paper's Table 15b is lost in the text that we have; this is the authors' public code, in which
    convolutions have biases and the dense layer has none.

    Args:
        width: factor of the numbers of maps.
        normalization: "spectral": every weight, flattened to one row an output channel, divided by
            an estimate of its largest singular value (one power iteration for each update; Miyato
            et al., ICLR 2018); "batch": batch norm after each convolution.
    """

    def __init__(self, width: float = 1.0, normalization: Normalization = "none") -> None:
        super().__init__()
        convolutions: list[nn.Module] = []
        before = 3
        for channels, kernel, stride in _LAYERS:
            maps = scaled(channels, width)
            convolution = nn.Conv2d(before, maps, kernel, stride, padding=1)
            norm = [nn.BatchNorm2d(maps)] if normalization == "batch" else []
            convolutions.append(nn.Sequential(convolution, *norm, nn.LeakyReLU(_LEAK)))
            before = maps
        self.convolutions = nn.Sequential(*convolutions)
        self.dense = nn.Linear(before * 4 * 4, 1, bias=False)
        initialize(self)
        if normalization == "spectral":
            for module in list(self.modules()):
                if isinstance(module, nn.Conv2d | nn.Linear):
                    spectral_norm(module)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.convolutions(images)
        scores: Tensor = self.dense(maps.flatten(1)).squeeze(1)
        return scores
