"""Batches for the trainer: decoded in threads ahead of time, or taken from a cache of pixels."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.data.images import SIZE, flip, normalise
from arcface_plus.data.order import batch_flips, batch_indices
from arcface_plus.data.sources import Source

PREFETCH = 4  # batches in flight
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Batch:
    """This process's share of one step, on the device, flipped and normalised."""

    images: torch.Tensor  # (n, 3, 112, 112) float32
    labels: torch.Tensor  # (n,) int64
    indices: NDArray[np.int64]  # (n,) which samples of the source these are
    wait_seconds: float  # how long the trainer stood still for it


class Loader:
    """Yields this process's part of every global batch, from any step on.

    `cache`: "none" decodes each image when it is needed; "memory" decodes all once and keeps them
    in host memory (37.6 KB an image); "device" keeps them on the device and gathers them there.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        seed: int,
        flip: bool,
        cache: str,
        threads: int,
        device: torch.device,
        channels_last: bool = True,
        rank: int = 0,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> None:
        if batch_size % processes:
            raise ValueError(
                f"data.batch_size {batch_size} is not divisible by the {processes} processes"
            )
        self._source, self._seed, self._flip, self._device = source, seed, flip, device
        self._batch = batch_size
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        share = batch_size // processes
        self._slice = slice(rank * share, (rank + 1) * share)
        cv2.setNumThreads(1)  # one image a thread; OpenCV's own pool would fight with ours
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, "decode")
        self._pixels: torch.Tensor | None = None
        if cache != "none":
            self._pixels = self._decode_all(progress)
            if cache == "device":
                self._pixels = self._pixels.to(device)

    @property
    def samples(self) -> int:
        return len(self._source)

    def epoch(self, step: int) -> float:
        """How many epochs lie before `step`."""
        return step * self._batch / self.samples

    def batches(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """The batches of steps first_step … last_step − 1."""
        pending: deque[tuple[NDArray[np.int64], Future[torch.Tensor]]] = deque()
        ahead = iter(range(first_step, last_step))
        assembler = ThreadPoolExecutor(1, "assemble")
        try:
            for step in range(first_step, last_step):
                while len(pending) < PREFETCH and (upcoming := next(ahead, None)) is not None:
                    indices = batch_indices(self._seed, upcoming, self._batch, len(self._source))[
                        self._slice
                    ]
                    pending.append((indices, assembler.submit(self._pixels_of, indices)))
                started = time.perf_counter()
                indices, future = pending.popleft()
                pixels = future.result()
                waited = time.perf_counter() - started
                yield self._to_batch(step, indices, pixels, waited)
        finally:
            assembler.shutdown(wait=False, cancel_futures=True)

    def _pixels_of(self, indices: NDArray[np.int64]) -> torch.Tensor:
        """(n, 112, 112, 3) uint8, on the device for a device cache, else in host memory."""
        if self._pixels is not None:
            return self._pixels[torch.from_numpy(indices).to(self._pixels.device)]
        pixels = torch.empty(
            (len(indices), SIZE, SIZE, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda"
        )
        self._decode_into(pixels.numpy(), indices, None)
        return pixels

    def _decode_all(self, progress: Progress | None) -> torch.Tensor:
        pixels = torch.empty((len(self._source), SIZE, SIZE, 3), dtype=torch.uint8)
        self._decode_into(pixels.numpy(), np.arange(len(self._source)), progress)
        return pixels

    def _decode_into(
        self, out: NDArray[np.uint8], indices: NDArray[np.int64], progress: Progress | None
    ) -> None:
        """Decode the samples `indices` into `out`, in chunks that are worth a thread's call."""

        def work(start: int) -> int:
            stop = min(start + chunk, len(indices))
            for place in range(start, stop):
                out[place] = self._source.image(int(indices[place]))
            return stop - start

        chunk = 16
        done = 0
        for count in self._pool.map(work, range(0, len(indices), chunk)):
            done += count
            if progress is not None:
                progress(done, len(indices))

    def _to_batch(
        self, step: int, indices: NDArray[np.int64], pixels: torch.Tensor, waited: float
    ) -> Batch:
        labels = torch.from_numpy(self._source.labels[indices])
        images = normalise(pixels.to(self._device, non_blocking=True))
        if self._flip:
            which = torch.from_numpy(batch_flips(self._seed, step, self._batch)[self._slice])
            images = flip(images, which.to(self._device, non_blocking=True))
        images = images.contiguous(memory_format=self._format)
        return Batch(images, labels.to(self._device, non_blocking=True), indices, waited)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
