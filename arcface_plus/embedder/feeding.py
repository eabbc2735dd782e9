"""The input format of a network: channel order, mean and scale of the pixels, and image size.

Our networks and arcface_torch's take RGB, (x − 127.5)/127.5. Other networks may take BGR, another
mean and scale, or raw bytes. A wrong guess loses accuracy without any error, so commands report
what they assume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from arcface_plus.data.images import MEAN, SCALE, normalize
from data_prep.crop_size import SIDE
from data_prep.errors import UserError

CHANNEL_ORDERS = ("RGB", "BGR")


@dataclass(frozen=True)
class Feeding:
    """A network's input: (pixel − mean)/scale, channels in `channel_order`.

    side: height and width of the images it takes; 112×112 crops are resized to it.
    """

    mean: float = MEAN
    scale: float = SCALE
    channel_order: str = "RGB"
    side: int = SIDE

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise UserError(f"the mean must be a finite number, not {self.mean}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise UserError(f"the scale must be a positive finite number, not {self.scale}")
        if self.channel_order not in CHANNEL_ORDERS:
            raise UserError(f"the channel order must be RGB or BGR, not {self.channel_order!r}")

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 112, 112, 3) uint8 RGB → (n, 3, side, side) float32, the network's input."""
        fitting = images if self.side == SIDE else _resized(images, self.side)
        ordered = fitting if self.channel_order == "RGB" else fitting.flip(-1)
        return normalize(ordered, self.mean, self.scale)

    def __str__(self) -> str:
        shifted = f"(x − {self.mean:g})" if self.mean else "x"
        return f"{self.channel_order}, {shifted}" + (f"/{self.scale:g}" if self.scale != 1 else "")


def _resized(images: torch.Tensor, side: int) -> torch.Tensor:
    """(n, 112, 112, 3) uint8 → (n, side, side, 3); area averaging when shrinking."""
    how = cv2.INTER_AREA if side < SIDE else cv2.INTER_LINEAR
    pixels = [cv2.resize(image, (side, side), interpolation=how) for image in images.cpu().numpy()]
    return torch.from_numpy(np.stack(pixels)).to(images.device)


@dataclass(frozen=True)
class FeedingOptions:
    """The user's overrides; None means the model file's value, or the default if it has none."""

    mean: float | None = None
    scale: float | None = None
    channel_order: str | None = None

    def over(self, stated: Feeding) -> Feeding:
        return Feeding(
            stated.mean if self.mean is None else self.mean,
            stated.scale if self.scale is None else self.scale,
            self.channel_order or stated.channel_order,
            stated.side,
        )


NOT_SAID = FeedingOptions()
