"""Tests that need a CUDA device. Elsewhere they are skipped.

With ARCFACE_PLUS_GPU_TESTS_ON=cpu those whose logic does not depend on CUDA run on the CPU: that
checks the tests, not the GPU.
"""

from __future__ import annotations

import os

import pytest
import torch

ON_CPU = os.environ.get("ARCFACE_PLUS_GPU_TESTS_ON") == "cpu"
REASON = "no CUDA device here"


@pytest.fixture
def device() -> torch.device:
    """The GPU; with the variable above, the CPU instead."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if ON_CPU:
        return torch.device("cpu")
    pytest.skip(REASON)


@pytest.fixture
def gpu() -> torch.device:
    """The GPU, for tests of its memory and synchronization, for which a CPU is no substitute."""
    if not torch.cuda.is_available():
        pytest.skip(REASON)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.device("cuda", torch.cuda.current_device())
