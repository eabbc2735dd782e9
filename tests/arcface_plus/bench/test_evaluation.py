"""The benches of evaluation run and end with equal digits; how fast is for a quiet machine."""

from __future__ import annotations

from arcface_plus.bench import evaluation


def test_statistics_have_the_naive_digits():
    found = evaluation.run(pairs=200, dimensions=16, repeats=1)
    assert found["same_digits"] is True
    assert len(found["rows"]) == 4


def test_verification_bench_reports_equal_digits():
    result = evaluation.run(pairs=500, dimensions=32, repeats=1)
    assert result["same_digits"]
    assert all(set(row) == {"name", "seconds", "ratio"} for row in result["rows"])
    assert result["rows"][0]["ratio"] == 1.0
