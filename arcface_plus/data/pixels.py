"""Where a batch's pixels come from: decoded each time, or from memory, a file or the device."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.data.disk_cache import DiskCache, Say
from arcface_plus.data.room import need_device_memory, need_memory
from arcface_plus.data.sources import TrainingImages
from arcface_plus.data.workers import Progress, Workers
from data_prep.crop_size import SIDE

CHUNK = 16  # most images that a thread gets at once
_PIECE = 2048  # images copied to the device at once: 77 MB


class Pixels(Protocol):
    """Decoded images, readable from any thread."""

    def read(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Put the images `indices` (m,) into `out` (m, h, w, 3); DataError names a bad one."""
        ...


class Decoding:
    """No cache: each image is decoded whenever it is read."""

    def __init__(self, source: TrainingImages) -> None:
        self._source = source

    def read(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        for place, index in enumerate(indices.tolist()):
            out[place] = self._source.image(index)


class Memory:
    """All pixels in this process's memory: (n, h, w, 3) uint8."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def read(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        np.take(self._pixels, indices, axis=0, out=out, mode="clip")  # "raise" would copy twice


def in_memory(
    source: TrainingImages,
    folder: Path | None,
    workers: Workers,
    progress: Progress | None,
    say: Say,
) -> Memory:
    """All images, read from the disk cache if there is one, else decoded."""
    need_memory(_bytes(source))
    origin = _origin(source, folder, say)
    pixels = np.empty((len(source), *source.size, 3), np.uint8)

    def work(start: int, stop: int) -> None:
        origin.read(np.arange(start, stop), pixels[start:stop])

    workers.each_chunk(work, len(source), CHUNK, progress)
    return Memory(pixels)


def on_device(
    source: TrainingImages,
    folder: Path | None,
    workers: Workers,
    device: torch.device,
    progress: Progress | None,
    say: Say,
) -> torch.Tensor:
    """All images as one tensor on the device, (n, h, w, 3) uint8.

    Read like `in_memory`, but piece by piece: the whole set is never in host memory.
    """
    count = len(source)
    need_device_memory(_bytes(source), device)
    origin = _origin(source, folder, say)
    on_gpu = device.type == "cuda"
    pixels = torch.empty((count, *source.size, 3), dtype=torch.uint8, device=device)
    for start in range(0, count, _PIECE):
        stop = min(start + _PIECE, count)
        # A new one each time: the pinned-memory allocator reuses a buffer once it has been copied.
        shape = (stop - start, *source.size, 3)
        piece = torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu)

        def work(first: int, last: int, start: int = start, piece: torch.Tensor = piece) -> None:
            origin.read(np.arange(start + first, start + last), piece.numpy()[first:last])

        workers.each_chunk(work, stop - start, CHUNK)
        pixels[start:stop].copy_(piece, non_blocking=True)
        if progress is not None:
            progress(stop, count)
    if on_gpu:
        torch.cuda.synchronize(device)
    return pixels


def _origin(source: TrainingImages, folder: Path | None, say: Say) -> Pixels:
    if source.size != (SIDE, SIDE):  # the disk cache is of aligned crops
        return Decoding(source)
    return DiskCache(source, folder).find(say) or Decoding(source)


def _bytes(source: TrainingImages) -> int:
    height, width = source.size
    return len(source) * height * width * 3
