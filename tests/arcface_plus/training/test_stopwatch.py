"""The time of a module's forward passes."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from arcface_plus.training.stopwatch import Stopwatch


class Slow(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.05)
        return x


def test_sums_forward_passes_since_the_last_reading():
    module = Slow()
    watch = Stopwatch(module, torch.device("cpu"))
    module(torch.ones(1))
    module(torch.ones(1))
    time.sleep(0.2)
    assert 0.1 <= watch.read() < 0.2
    assert watch.read() == 0.0
    module(torch.ones(1))
    watch.reset()
    assert watch.read() == 0.0
