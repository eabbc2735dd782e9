"""Alignment's rows have rates; without a detector only those of landmark lists."""

from __future__ import annotations

import os

from arcface_plus.bench import alignment


def test_rows_have_rates_by_the_core():
    rows = alignment.run(count=6, repeats=1)["rows"]
    cores = sorted({1, len(os.sched_getaffinity(0))})
    assert len(rows) == len(cores)
    for row, threads in zip(rows, cores, strict=True):
        assert row["name"].startswith(f"align, landmark list, {threads} core")
        assert row["photos_per_second"] > 0
        rate = row["photos_per_second"] / threads
        assert abs(row["photos_per_second_a_core"] - rate) < 1e-9 * rate
    assert rows[0]["ratio"] == 1
