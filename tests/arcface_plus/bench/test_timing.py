"""Timing is interleaved."""

from __future__ import annotations

import time

import pytest

from arcface_plus.bench.timing import measure, median_seconds


def test_calls_are_interleaved_after_the_warm_up():
    calls: list[str] = []
    rivals = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = measure(rivals, repeats=3, warmup=2, synchronize=lambda: calls.append("."))
    assert "".join(calls) == "aabb" + ".a..b." * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}


def test_seconds_are_seconds():
    assert median_seconds(lambda: time.sleep(0.02), repeats=3) == pytest.approx(0.02, abs=0.02)
    with pytest.raises(ValueError, match="repeats"):
        measure({}, repeats=0)
