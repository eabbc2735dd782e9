"""Training images of a classification set: augmented by what is drawn, normalized by channel.

AutoAugment works on the CPU, in the workers; everything else on the device, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.data.assembly import Assembly, GpuAssembly, Share, Tensors
from arcface_plus.data.augmentation import (
    Padding,
    cut_out,
    pad_crop_mirror,
    resized_crop_mirror,
)
from arcface_plus.data.autoaugment import Draws, autoaugment, cifar_draws
from arcface_plus.data.channels import Channels
from arcface_plus.data.order import batch_boxes, batch_centres, batch_flips, batch_offsets
from arcface_plus.data.pixels import CHUNK, Memory, Pixels
from arcface_plus.data.preparation import Drawing, Place


@dataclass(frozen=True)
class AugmentedShare(Share):
    """A share with where each crop lies, where its square lies, and AutoAugment's draws.

    places: (n, 2), where the crop begins, or (n, 4), the box that is scaled.
    """

    places: NDArray[np.int64]
    centres: NDArray[np.int64]  # (n, 2)
    policies: Draws | None


@dataclass(frozen=True)
class Augmented:
    """Images of a size (h, w): AutoAugment, crop, mirror, cut out; then normalized.

    area: the smallest and largest share of the image that is cut out and scaled to `side`; None:
        padded by `pad` and cropped to the old size.
    """

    size: tuple[int, int]
    channels: Channels
    pad: int = 0
    padding: Padding = "zero"
    mirror: bool = False
    cutout: int = 0
    autoaugment: bool = False
    area: tuple[float, float] | None = None
    side: int | None = None

    def __post_init__(self) -> None:
        assert (self.area is None) == (self.side is None)

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.size if self.side is None else (self.side, self.side)

    def share(
        self, indices: NDArray[np.int64], labels: NDArray[np.int64], drawing: Drawing
    ) -> AugmentedShare:
        of, part = (drawing.seed, drawing.step, drawing.batch), drawing.part
        return AugmentedShare(
            indices,
            labels,
            batch_flips(*of)[part] & self.mirror,
            self._places(*of)[part],
            batch_centres(*of, *self.output)[part],
            cifar_draws(*of)[part] if self.autoaugment else None,
        )

    def _places(self, seed: int, step: int, batch: int) -> NDArray[np.int64]:
        if self.area is None:
            return batch_offsets(seed, step, batch, self.pad)
        return batch_boxes(seed, step, batch, self.size, self.area)

    def assembly(self, pixels: Pixels | torch.Tensor, place: Place) -> Assembly:
        if place.device.type == "cuda":
            return _OnGpu(self, pixels, place)
        if isinstance(pixels, torch.Tensor):
            pixels = Memory(pixels.numpy())
        return _OnCpu(self, pixels, place)

    def read(
        self, pixels: Pixels, share: Share, start: int, stop: int, out: NDArray[np.uint8]
    ) -> None:
        """The part of the work that a CPU's worker does: read, and AutoAugment."""
        pixels.read(share.indices[start:stop], out)
        if isinstance(share, AugmentedShare) and share.policies is not None:
            out[:] = autoaugment(out, share.policies[start:stop])

    def images(
        self,
        pixels: torch.Tensor,
        flips: torch.Tensor,
        places: torch.Tensor,
        centres: torch.Tensor,
    ) -> torch.Tensor:
        """Pixels (n, h, w, 3) uint8 → (n, 3, *output) float32, channels_last, same device."""
        if self.side is None:
            pixels = pad_crop_mirror(pixels, places, flips, self.pad, self.padding)
        else:
            pixels = resized_crop_mirror(pixels, places, flips, self.side)
        if self.cutout:
            pixels = cut_out(pixels, centres, self.cutout)
        return self.channels.normalize(pixels)


def _drawn(share: Share) -> list[NDArray[np.generic]]:
    assert isinstance(share, AugmentedShare)
    return [share.flips, share.places, share.centres]


class _OnGpu(GpuAssembly):
    def __init__(self, augmented: Augmented, pixels: Pixels | torch.Tensor, place: Place) -> None:
        size = augmented.size
        super().__init__(pixels, place.workers, place.channels_last, place.device, size)
        self._augmented = augmented

    def drawn(self, share: Share) -> list[NDArray[np.generic]]:
        return _drawn(share)

    def images(self, pixels: torch.Tensor, *drawn: torch.Tensor) -> torch.Tensor:
        return self._augmented.images(pixels, *drawn)

    def gather(
        self, pixels: Pixels, share: Share, start: int, stop: int, out: NDArray[np.uint8]
    ) -> None:
        self._augmented.read(pixels, share, start, stop, out)


class _OnCpu:
    """Does everything ahead of time."""

    def __init__(self, augmented: Augmented, pixels: Pixels, place: Place) -> None:
        self._augmented, self._pixels, self._place = augmented, pixels, place

    def prepare(self, share: Share) -> Callable[[], Tensors]:
        pixels = np.empty((len(share.indices), *self._augmented.size, 3), np.uint8)

        def work(start: int, stop: int) -> None:
            self._augmented.read(self._pixels, share, start, stop, pixels[start:stop])

        self._place.workers.each_chunk(work, len(pixels), CHUNK)
        images = self._augmented.images(
            torch.from_numpy(pixels), *map(torch.from_numpy, _drawn(share))
        )
        if not self._place.channels_last:
            images = images.contiguous()
        labels = torch.from_numpy(share.labels)
        return lambda: (images, labels)
