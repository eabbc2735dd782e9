"""Normalization of each colour channel by a mean and a standard deviation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from data_prep.labelled_images import LabelledImages

Triple = tuple[float, float, float]
_AT_ONCE = 1000  # images


class Channels(NamedTuple):
    """Mean and standard deviation of red, green and blue, in pixel values (0 to 255)."""

    mean: Triple
    std: Triple

    def normalize(self, images: Tensor) -> Tensor:
        """(n, h, w, 3) uint8 → (n, 3, h, w) float32, (x − mean) / std; same device.

        The result has channels_last strides.
        """
        mean = torch.tensor(self.mean, dtype=torch.float32, device=images.device)
        std = torch.tensor(self.std, dtype=torch.float32, device=images.device)
        return images.to(torch.float32).sub_(mean).div_(std).permute(0, 3, 1, 2)


CENTRED = Channels((127.5, 127.5, 127.5), (128.0, 128.0, 128.0))
"""(x − 127.5) / 128, as in the public code of the MHE paper."""


def channels_of(images: LabelledImages) -> Channels:
    """Mean and standard deviation of each channel over all pixels of a (training) set, exact.

    A channel that is the same everywhere gets a standard deviation of 1.
    """
    sums, squares, pixels = np.zeros(3, np.int64), np.zeros(3, np.int64), 0
    for start in range(0, len(images), _AT_ONCE):
        batch = images.batch(np.arange(start, min(start + _AT_ONCE, len(images))))
        counts = np.stack([np.bincount(batch[..., c].ravel(), minlength=256) for c in range(3)])
        values = np.arange(256)
        sums += counts @ values
        squares += counts @ values**2
        pixels += batch[..., 0].size
    mean, variance = [], []
    for total, square in zip(sums.tolist(), squares.tolist(), strict=True):
        mean.append(total / pixels)
        variance.append((square * pixels - total**2) / pixels**2)  # whole numbers of any size
    std = [math.sqrt(v) or 1.0 for v in variance]
    return Channels(_triple(mean), _triple(std))


def _triple(values: list[float]) -> Triple:
    red, green, blue = values
    return red, green, blue
