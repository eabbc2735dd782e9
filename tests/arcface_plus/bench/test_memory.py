"""The peak is of this process only and stays after the memory is freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
from arcface_plus.bench.memory import peak_resident_mb
before = peak_resident_mb()
block = b"x" * 64_000_000
held = peak_resident_mb()
del block
print(before, held, peak_resident_mb())
"""


def test_the_peak_stays_after_the_memory_is_freed():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, check=True)
    before, held, after = map(float, done.stdout.split())
    assert held - before == pytest.approx(64, abs=3)
    assert after == pytest.approx(held, abs=3)
