"""The benchmark of the sharded head: its rows, and what they are derived from."""

from __future__ import annotations

import pytest

from arcface_plus.bench import sharded_head
from arcface_plus.bench.sharded_head import ALONE, AT_ONCE, SHARDED


def test_rows_of_two_processes() -> None:
    result = sharded_head.run(2, classes=301, batch=5, turns=1)
    assert "over 2 processes" in result["title"]
    alone, at_once, first, second = result["rows"]
    assert (alone["name"], at_once["name"]) == (ALONE, AT_ONCE)
    assert all(row["milliseconds"] > 0 for row in result["rows"])
    for row, of in ((first, alone), (second, at_once)):
        assert row["ideal_milliseconds"] == pytest.approx(of["milliseconds"] / 2)
        assert row["ratio"] == pytest.approx(row["milliseconds"] / row["ideal_milliseconds"])
    assert alone["megabytes"] == pytest.approx(12 * 301 * 512 / 1e6)
    assert first["megabytes"] == pytest.approx(12 * 151 * 512 / 1e6)


def test_medians_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {ALONE: [4.0, 3.0, 9.0], AT_ONCE: [8.0, 6.0, 7.0], SHARDED: [2.0, 2.1, 2.2]}
    monkeypatch.setattr(sharded_head, "in_process_group", lambda *sizes: seconds)
    rows = sharded_head.run(2)["rows"]
    assert [row.get("ratio") for row in rows] == [
        None,
        None,
        pytest.approx(1.05),
        pytest.approx(0.6),
    ]
