"""How pixels become network input: what is drawn for each image of a step, and who applies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.data.assembly import Assembly, CpuAssembly, GpuAssembly, Share
from arcface_plus.data.order import batch_flips
from arcface_plus.data.pixels import Memory, Pixels
from arcface_plus.data.workers import Workers


@dataclass(frozen=True)
class Drawing:
    """What everything random depends on: seed, step, and the position in the global batch.

    part: the positions of this process.
    """

    seed: int
    step: int
    batch: int
    part: slice


@dataclass(frozen=True)
class Place:
    """Where batches are made: the device, the threads that help, the memory format."""

    device: torch.device
    workers: Workers
    channels_last: bool


class Preparation(Protocol):
    """What is done with the images of a batch."""

    def share(
        self, indices: NDArray[np.int64], labels: NDArray[np.int64], drawing: Drawing
    ) -> Share:
        """This process's samples (n,) of a step, with what is drawn for each."""
        ...

    def assembly(self, pixels: Pixels | torch.Tensor, place: Place) -> Assembly: ...


@dataclass(frozen=True)
class Crops:
    """Face crops: half of them mirrored if `flip`, all of them in [−1, 1]."""

    flip: bool = True

    def share(
        self, indices: NDArray[np.int64], labels: NDArray[np.int64], drawing: Drawing
    ) -> Share:
        flips = batch_flips(drawing.seed, drawing.step, drawing.batch)[drawing.part]
        return Share(indices, labels, flips & self.flip)

    def assembly(self, pixels: Pixels | torch.Tensor, place: Place) -> Assembly:
        if place.device.type == "cuda":
            return GpuAssembly(pixels, place.workers, place.channels_last, place.device)
        if isinstance(pixels, torch.Tensor):
            pixels = Memory(pixels.numpy())
        return CpuAssembly(pixels, place.workers, place.channels_last)


FACES = Crops()
