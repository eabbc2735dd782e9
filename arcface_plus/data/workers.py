"""A pool of threads that processes ranges of images."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import cv2

Progress = Callable[[int, int], None]


class Workers:
    """`threads` threads (0: one per core) for work that releases the GIL: decoding, copying."""

    def __init__(self, threads: int = 0) -> None:
        cv2.setNumThreads(1)  # one image per thread; OpenCV's own pool would compete for the cores
        self.count = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.count, "decode")

    def each_chunk(
        self,
        work: Callable[[int, int], None],
        count: int,
        largest: int,
        progress: Progress | None = None,
    ) -> None:
        """Call work(start, stop) for all chunks of range(count), in parallel.

        A chunk has `largest` items, or fewer if that would leave threads idle. Raises the error of
        the first chunk that failed, after all running chunks have ended: the caller may then close
        files and free memory that they used.
        """
        size = max(1, min(largest, count // (4 * self.count)))
        pending: deque[tuple[int, Future[None]]] = deque()

        def take() -> None:
            stop, future = pending.popleft()
            future.result()
            if progress is not None:
                progress(stop, count)

        try:
            for start in range(0, count, size):
                stop = min(start + size, count)
                pending.append((stop, self._pool.submit(work, start, stop)))
                if len(pending) >= 4 * self.count:
                    take()
            while pending:
                take()
        finally:
            for _, future in pending:
                future.cancel()
            wait([future for _, future in pending])

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
