"""Measures the time of a module's forward passes without synchronizing with a GPU."""

from __future__ import annotations

import time

import torch
from torch import nn


class Stopwatch:
    """Sums the time between the beginning and the end of every forward pass of `module`.

    On a GPU it records events in the stream, to be read when the GPU is idle anyway.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._spans: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._started, self._seconds = 0.0, 0.0
        module.register_forward_pre_hook(self._start)
        module.register_forward_hook(self._stop)

    def read(self) -> float:
        """Seconds since the last reading. On a GPU: waits for the last pass."""
        for begin, end in self._spans:
            end.synchronize()
            self._seconds += begin.elapsed_time(end) / 1000.0
        seconds = self._seconds
        self.reset()
        return seconds

    def reset(self) -> None:
        """Discard the measurements, without synchronization."""
        self._spans.clear()
        self._seconds = 0.0

    def _start(self, *_: object) -> None:
        if self._on_gpu:
            span = (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
            span[0].record()
            self._spans.append(span)
        else:
            self._started = time.perf_counter()

    def _stop(self, *_: object) -> None:
        if self._on_gpu:
            self._spans[-1][1].record()
        else:
            self._seconds += time.perf_counter() - self._started
