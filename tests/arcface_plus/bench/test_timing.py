"""Timing takes turns, and the verification's bench finds equal digits."""

from __future__ import annotations

import time

import pytest

from arcface_plus.bench import evaluation
from arcface_plus.bench.timing import measure, median_seconds


def test_rivals_take_turns_after_the_warm_up():
    calls: list[str] = []
    rivals = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = measure(rivals, repeats=3, warmup=2, synchronize=lambda: calls.append("."))
    assert "".join(calls) == "aabb" + ".a..b." * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}


def test_seconds_are_seconds():
    assert median_seconds(lambda: time.sleep(0.02), repeats=3) == pytest.approx(0.02, abs=0.02)
    with pytest.raises(ValueError, match="repeats"):
        measure({}, repeats=0)


def test_verification_bench_reports_equal_digits():
    result = evaluation.run(pairs=500, dimensions=32, repeats=1)
    assert result["same_digits"]
    assert all(set(row) == {"name", "seconds", "ratio"} for row in result["rows"])
    assert result["rows"][0]["ratio"] == 1.0
