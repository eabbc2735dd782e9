"""Batches for the trainer, made ahead of time in threads: it only ever queues kernels."""

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

from arcface_plus.data.assembly import Assembly, CpuAssembly, GpuAssembly, Share, Tensors
from arcface_plus.data.disk_cache import DiskCache, Say
from arcface_plus.data.order import batch_flips, batch_indices
from arcface_plus.data.pixels import Decoding, Memory, Pixels, in_memory, on_device
from arcface_plus.data.sources import Source
from arcface_plus.data.workers import Progress, Workers

PREFETCH = 4  # batches in flight


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
    in this process's memory (37.6 KB an image); "disk" keeps them in a file in `cache_dir` (None:
    beside the data) that processes and runs share; "device" keeps them on the device and gathers
    them there. Batches are the same bits whichever it is. `say` gets a line for the user where
    something is worth one.
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
        cache_dir: Path | None = None,
        channels_last: bool = True,
        rank: int = 0,
        processes: int = 1,
        progress: Progress | None = None,
        say: Say | None = None,
    ) -> None:
        if batch_size % processes:
            raise ValueError(
                f"data.batch_size {batch_size} is not divisible by the {processes} processes"
            )
        self._source, self._seed, self._flip, self._device = source, seed, flip, device
        self._batch = batch_size
        share = batch_size // processes
        self._slice = slice(rank * share, (rank + 1) * share)
        self._workers = Workers(threads)
        self._assembly = self._assembly_of(
            cache, cache_dir, channels_last, progress, say or _nothing
        )

    def _assembly_of(
        self,
        cache: str,
        cache_dir: Path | None,
        channels_last: bool,
        progress: Progress | None,
        say: Say,
    ) -> Assembly:
        source, workers, device = self._source, self._workers, self._device
        pixels: Pixels | torch.Tensor = Decoding(source)
        if cache == "memory":
            pixels = in_memory(source, cache_dir, workers, progress, say)
        elif cache == "disk":
            pixels = DiskCache(source, cache_dir).find_or_build(workers, progress, say)
        elif cache == "device":
            pixels = on_device(source, cache_dir, workers, device, progress, say)
        if device.type == "cuda":
            return GpuAssembly(pixels, workers, channels_last, device)
        if isinstance(pixels, torch.Tensor):
            pixels = Memory(pixels.numpy())
        return CpuAssembly(pixels, workers, channels_last)

    @property
    def samples(self) -> int:
        return len(self._source)

    def epoch(self, step: int) -> float:
        """How many epochs lie before `step`."""
        return step * self._batch / self.samples

    def batches(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """The batches of steps first_step … last_step − 1."""
        pending: deque[Future[tuple[Share, Callable[[], Tensors]]]] = deque()
        ahead = iter(range(first_step, last_step))
        # Two: while threads still decode the end of one batch, others begin the next.
        assembler = ThreadPoolExecutor(2, "assemble")
        try:
            for _ in range(first_step, last_step):
                while len(pending) < PREFETCH and (step := next(ahead, None)) is not None:
                    pending.append(assembler.submit(self._prepare, step))
                started = time.perf_counter()
                share, finish = pending.popleft().result()
                waited = time.perf_counter() - started
                images, labels = finish()
                yield Batch(images, labels, share.indices, waited)
        finally:
            assembler.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, step: int) -> tuple[Share, Callable[[], Tensors]]:
        indices = batch_indices(self._seed, step, self._batch, len(self._source))[self._slice]
        flips = batch_flips(self._seed, step, self._batch)[self._slice] & self._flip
        share = Share(indices, self._source.labels[indices], flips)
        return share, self._assembly.prepare(share)

    def close(self) -> None:
        self._workers.close()


def _nothing(_: str) -> None:
    return None
