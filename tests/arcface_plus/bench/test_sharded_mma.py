"""The benchmark of MMA over processes."""

from __future__ import annotations

import pytest

from arcface_plus.bench.sharded_mma import run


def test_processes_that_share_the_rows_agree_with_one_that_holds_all() -> None:
    result = run(2, sizes=[(300, 16)], turns=1)
    (row,) = result["rows"]
    assert "over 2 processes" in result["title"]
    assert (row["rows"], row["dimensions"]) == (300, 16)
    assert row["loss"] == pytest.approx(row["loss_alone"], rel=1e-6)
    assert row["speedup"] == pytest.approx(row["seconds_alone"] / row["seconds"])
