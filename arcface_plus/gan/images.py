"""Real images in memory, and the batch of each step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from arcface_plus.console import progress_bar
from arcface_plus.data.order import batch_indices
from data_prep.errors import UserError
from data_prep.labelled_images import open_labelled_images

_AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class RealImages:
    """pixels: (n, side, side, 3) uint8 on the device. digest: a hash of the images, in order."""

    pixels: Tensor
    digest: str

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, seed: int, step: int, size: int) -> Tensor:
        """The images of a step, counted from 0: (size, 3, side, side) float32 in [−1, 1]."""
        indices = torch.from_numpy(batch_indices(seed, step, size, len(self)))
        chosen = self.pixels[indices.to(self.pixels.device)]
        return chosen.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()


def load_images(train: str | None, side: int, device: torch.device) -> RealImages:
    """The training split of a classification set, without its labels, decoded into memory.

    Raises:
        UserError: none was named, or its images are not of this side.
    """
    if train is None:
        raise UserError("missing key data.train (a folder): use --set data.train=CIFAR-10")
    images = open_labelled_images(Path(train), "train")
    if images.size != (side, side):
        height, width = images.size
        raise UserError(
            f"data.train: {train}: images are {width}×{height}; the GAN is for {side}×{side} alone"
        )
    pixels = np.empty((len(images), side, side, 3), np.uint8)
    with progress_bar("decoding images") as progress:
        for start in range(0, len(images), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(images))
            pixels[start:stop] = images.batch(np.arange(start, stop))
            progress(stop, len(images))
    return RealImages(torch.from_numpy(pixels).to(device), images.digest())
