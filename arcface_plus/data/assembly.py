"""From a step's share of the samples to its tensors, mostly ahead of time.

`prepare` runs in a separate thread while the trainer works on earlier steps. The trainer calls the
function it returns when it reaches the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.data.images import flip, mirror, normalize, normalize_into
from arcface_plus.data.pixels import CHUNK, Pixels
from arcface_plus.data.workers import Workers
from data_prep.crop_size import SIDE

Tensors = tuple[torch.Tensor, torch.Tensor]  # images (n, 3, h, w) float32, labels (n,) int64


@dataclass(frozen=True)
class Share:
    """This process's samples of a step: indices, classes, and which are mirrored."""

    indices: NDArray[np.int64]  # (n,)
    labels: NDArray[np.int64]  # (n,)
    flips: NDArray[np.bool_]  # (n,)


class Assembly(Protocol):
    def prepare(self, share: Share) -> Callable[[], Tensors]: ...


class CpuAssembly:
    """Decodes or copies, mirrors and normalizes a few images at a time, within the CPU's cache."""

    def __init__(self, pixels: Pixels, workers: Workers, channels_last: bool) -> None:
        self._pixels, self._workers, self._channels_last = pixels, workers, channels_last

    def prepare(self, share: Share) -> Callable[[], Tensors]:
        memory_format = torch.channels_last if self._channels_last else torch.contiguous_format
        shape = (len(share.indices), 3, SIDE, SIDE)
        images = torch.empty(shape, dtype=torch.float32, memory_format=memory_format)
        rows = images.permute(0, 2, 3, 1).numpy()

        def work(start: int, stop: int) -> None:
            pixels = np.empty((stop - start, SIDE, SIDE, 3), np.uint8)
            self._pixels.read(share.indices[start:stop], pixels)
            mirror(pixels, share.flips[start:stop])
            normalize_into(pixels, rows[start:stop])

        self._workers.each_chunk(work, len(share.indices), CHUNK)
        labels = torch.from_numpy(share.labels)
        return lambda: (images, labels)


class GpuAssembly:
    """Sends uint8 pixels from pinned memory on a separate stream; the GPU does the rest.

    The trainer's thread neither copies nor waits: it makes its stream wait for the copies and
    queues the kernels that mirror and normalize.
    """

    def __init__(
        self,
        pixels: Pixels | torch.Tensor,
        workers: Workers,
        channels_last: bool,
        device: torch.device,
        size: tuple[int, int] = (SIDE, SIDE),
    ) -> None:
        self._pixels, self._workers, self._device = pixels, workers, device
        self._size = size
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._copies = torch.cuda.Stream(device)

    def prepare(self, share: Share) -> Callable[[], Tensors]:
        with torch.cuda.device(self._device), torch.cuda.stream(self._copies):
            if isinstance(self._pixels, torch.Tensor):
                pixels = self._pixels.index_select(0, self._send(share.indices))
            else:
                pixels = self._read(self._pixels, share)
            sent = [pixels, self._send(share.labels), *map(self._send, self.drawn(share))]
            ready = torch.cuda.Event()
            ready.record(self._copies)
        return lambda: self._finish(sent, ready)

    def drawn(self, share: Share) -> list[NDArray[np.generic]]:
        """The arrays that `images` needs beside the pixels."""
        return [share.flips] if share.flips.any() else []

    def images(self, pixels: torch.Tensor, *drawn: torch.Tensor) -> torch.Tensor:
        """Pixels (n, h, w, 3) uint8 → images (n, 3, h, w) float32, on the device."""
        return normalize(flip(pixels, drawn[0]) if drawn else pixels)

    def gather(
        self, pixels: Pixels, share: Share, start: int, stop: int, out: NDArray[np.uint8]
    ) -> None:
        """Put the pixels of a part of the share into `out`, in a worker."""
        pixels.read(share.indices[start:stop], out)

    def _read(self, pixels: Pixels, share: Share) -> torch.Tensor:
        """Gather into pinned memory with threads, and queue the copy to the device."""
        shape = (len(share.indices), *self._size, 3)
        # Torch's pinned-memory allocator reuses a buffer only after the copy out of it has run. So
        # allocate a new one each time: never keep and rewrite it.
        pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        out = pinned.numpy()

        def work(start: int, stop: int) -> None:
            self.gather(pixels, share, start, stop, out[start:stop])

        self._workers.each_chunk(work, len(share.indices), CHUNK)
        return pinned.to(self._device, non_blocking=True)

    def _send(self, array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(array).pin_memory().to(self._device, non_blocking=True)

    def _finish(self, sent: list[torch.Tensor], ready: torch.cuda.Event) -> Tensors:
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(ready)
        for tensor in sent:  # allocated on the other stream, which must not reuse it too early
            tensor.record_stream(stream)
        pixels, labels, *drawn = sent
        images = self.images(pixels, *drawn)
        return images.contiguous(memory_format=self._format), labels
