"""How a network wants its pixels: the order of channels, what is subtracted, what it is divided by.

Ours and arcface_torch's take RGB, (x − 127.5)/127.5. Networks of others may want BGR, other numbers
or raw bytes; a wrong guess costs points of accuracy and raises no error, so it is said aloud.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from arcface_plus.data.images import MEAN, SCALE, normalise
from data_prep.crop_size import SIDE
from data_prep.errors import UserError

CHANNEL_ORDERS = ("RGB", "BGR")


@dataclass(frozen=True)
class Feeding:
    """What a network is fed with: (pixel − mean)/scale, channels in the order named.

    side: of the square images it takes; crops of 112×112 are resized to it.
    """

    mean: float = MEAN
    scale: float = SCALE
    channel_order: str = "RGB"
    side: int = SIDE

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise UserError(f"mean {self.mean} is not a number to subtract from pixels")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise UserError(f"scale {self.scale} is not a positive number to divide pixels by")
        if self.channel_order not in CHANNEL_ORDERS:
            raise UserError(f"channel order {self.channel_order!r} is neither RGB nor BGR")

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 112, 112, 3) uint8 RGB → (n, 3, side, side) float32 as the network wants it."""
        fitting = images if self.side == SIDE else _resized(images, self.side)
        ordered = fitting if self.channel_order == "RGB" else fitting.flip(-1)
        return normalise(ordered, self.mean, self.scale)

    def __str__(self) -> str:
        shifted = f"(x − {self.mean:g})" if self.mean else "x"
        return f"{self.channel_order}, {shifted}" + (f"/{self.scale:g}" if self.scale != 1 else "")


def _resized(images: torch.Tensor, side: int) -> torch.Tensor:
    """(n, 112, 112, 3) uint8 → (n, side, side, 3); areas are averaged where it shrinks."""
    how = cv2.INTER_AREA if side < SIDE else cv2.INTER_LINEAR
    pixels = [cv2.resize(image, (side, side), interpolation=how) for image in images.cpu().numpy()]
    return torch.from_numpy(np.stack(pixels)).to(images.device)


@dataclass(frozen=True)
class FeedingOptions:
    """What the user says of it; None is what the model file states, or else the usual."""

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
