"""Batches for the trainer, prepared ahead in threads, so that the trainer only queues kernels."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.data.assembly import Share, Tensors
from arcface_plus.data.disk_cache import DiskCache, Say
from arcface_plus.data.order import batch_indices, equal_parts
from arcface_plus.data.pixels import Decoding, Pixels, in_memory, on_device
from arcface_plus.data.preparation import FACES, Drawing, Place, Preparation
from arcface_plus.data.sources import TrainingImages
from arcface_plus.data.workers import Progress, Workers
from arcface_plus.runtime import Processes

PREFETCH = 4  # batches in flight


@dataclass(frozen=True)
class Batch:
    """This process's share of one step, on the device, augmented and normalized."""

    images: torch.Tensor  # (n, 3, h, w) float32
    labels: torch.Tensor  # (n,) int64
    indices: NDArray[np.int64]  # (n,) sample numbers in the source
    wait_seconds: float  # how long the trainer waited for this batch
    shares: tuple[int, ...] = ()  # how many images each process has; (): there is only this one

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many images each process has."""
        return self.shares or (len(self.labels),)


@dataclass(frozen=True)
class LoaderSettings:
    """What determines the batches (size, seed, preparation), and how they are made.

    `batch_size` is the global one, split over the processes as equally as possible. `cache`: "none"
    decodes each image when it is needed; "memory" decodes all once and keeps them in this process's
    memory (37.6 KB per image); "disk" keeps them in a file in `cache_dir` (None: next to the data)
    that processes and runs share; "device" keeps them on the device and gathers them there.
    """

    batch_size: int
    seed: int
    preparation: Preparation = FACES
    cache: str = "none"
    cache_dir: Path | None = None
    threads: int = 0
    channels_last: bool = True


class Loader:
    """Yields this process's part of every global batch, from any step on.

    Batches are bit-identical whatever the cache, the threads and the memory format. `say` is called
    with messages for the user.
    """

    def __init__(
        self,
        source: TrainingImages,
        settings: LoaderSettings,
        device: torch.device,
        processes: Processes | None = None,
        progress: Progress | None = None,
        say: Say | None = None,
    ) -> None:
        processes = processes or Processes()
        self._source, self._settings, self._device = source, settings, device
        self._shares = tuple(equal_parts(settings.batch_size, processes.count))
        before = sum(self._shares[: processes.rank])
        self._slice = slice(before, before + self._shares[processes.rank])
        self._workers = Workers(settings.threads)
        place = Place(device, self._workers, settings.channels_last)
        pixels = self._pixels(progress, say or _nothing)
        self._assembly = settings.preparation.assembly(pixels, place)

    def _pixels(self, progress: Progress | None, say: Say) -> Pixels | torch.Tensor:
        """Where pixels come from: decoded each time, or from a cache, which is built if absent."""
        source, folder, workers = self._source, self._settings.cache_dir, self._workers
        cache = self._settings.cache
        if cache == "memory":
            return in_memory(source, folder, workers, progress, say)
        if cache == "disk":
            return DiskCache(source, folder).find_or_build(workers, progress, say)
        if cache == "device":
            return on_device(source, folder, workers, self._device, progress, say)
        return Decoding(source)

    @property
    def samples(self) -> int:
        return len(self._source)

    def epoch(self, step: int) -> float:
        """Number of epochs before `step`."""
        return step * self._settings.batch_size / self.samples

    def batches(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """The batches of steps first_step … last_step − 1."""
        pending: deque[Future[tuple[Share, Callable[[], Tensors]]]] = deque()
        ahead = iter(range(first_step, last_step))
        # Two threads: while one batch is being finished, the next begins.
        assembler = ThreadPoolExecutor(2, "assemble")
        try:
            for _ in range(first_step, last_step):
                while len(pending) < PREFETCH and (step := next(ahead, None)) is not None:
                    pending.append(assembler.submit(self._prepare, step))
                started = time.perf_counter()
                share, finish = pending.popleft().result()
                waited = time.perf_counter() - started
                images, labels = finish()
                yield Batch(images, labels, share.indices, waited, self._shares)
        finally:
            assembler.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, step: int) -> tuple[Share, Callable[[], Tensors]]:
        seed, batch = self._settings.seed, self._settings.batch_size
        indices = batch_indices(seed, step, batch, len(self._source))[self._slice]
        drawing = Drawing(seed, step, batch, self._slice)
        share = self._settings.preparation.share(indices, self._source.labels[indices], drawing)
        return share, self._assembly.prepare(share)

    def close(self) -> None:
        self._workers.close()


def _nothing(_: str) -> None:
    return None
