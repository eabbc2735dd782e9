"""The data tools' benchmark runs and names what it measured."""

from __future__ import annotations

from arcface_plus.bench.data_tools import run


def test_rows_have_rates_and_a_baseline() -> None:
    result = run(images=300, records=600, repeats=1)
    names = [row["name"] for row in result["rows"]]
    assert len(names) == 8
    assert [name.split()[0] for name in names[::2]] == ["pack", "extract", "check", "inspect"]
    assert all(row["images_per_second"] > 0 for row in result["rows"])
    assert all(row["ratio"] == 1 for row in result["rows"][::2])
