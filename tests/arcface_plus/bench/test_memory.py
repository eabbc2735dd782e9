"""The peak is this process's own and only grows."""

from __future__ import annotations

import numpy as np

from arcface_plus.bench.memory import peak_resident_mb


def test_what_is_touched_is_counted():
    before = peak_resident_mb()
    block = np.ones(int(before * 1e6) // 8 + 4_000_000)  # as much again, and 32 MB
    assert peak_resident_mb() > before + 30
    held = peak_resident_mb()
    del block
    assert peak_resident_mb() >= held > 1
