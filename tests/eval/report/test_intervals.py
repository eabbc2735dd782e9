"""The picture of the judged differences: zero in the middle, the farthest bound at the edge."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, BASE, BETTER, target

from eval.compare import compare
from eval.report.intervals import HALF, LONGEST_LABEL, MIDDLE, intervals


def test_bounds_and_means_lie_to_scale(make_run):
    runs = [
        make_run(name, {"lfw": target(folds)}, config=BASE)
        for name, folds in (("a", ARCFACE), ("b" * 60, BETTER), ("c", ARCFACE[::-1]))
    ]
    comparison = compare(runs)
    picture = intervals(comparison)
    verdicts = [d.verdict for d in comparison.targets[0].differences]
    reach = max(abs(bound) for v in verdicts for bound in v.interval)
    for row, verdict in zip(picture.rows, verdicts, strict=True):
        assert (row.low - MIDDLE) / HALF * reach == pytest.approx(verdict.interval[0])
        assert (row.high - MIDDLE) / HALF * reach == pytest.approx(verdict.interval[1])
        assert (row.mean - MIDDLE) / HALF * reach == pytest.approx(verdict.mean)
        assert row.points == pytest.approx(100 * verdict.mean)
    assert [row.shown for row in picture.rows] == [True, False]
    assert [row.colour for row in picture.rows] == [1, 2]
    assert len(picture.rows[0].label) == LONGEST_LABEL
    assert max(abs(x - MIDDLE) for row in picture.rows for x in (row.low, row.high)) <= HALF + 1e-9
    assert picture.bottom > max(row.y for row in picture.rows)


def test_nothing_judged_is_no_picture(seeded_run):
    single = seeded_run("a", 0, {"lfw": (3, 1)})
    group = [seeded_run(f"b{i}", i, {"lfw": (3, i + 2)}) for i in range(2)]
    assert intervals(compare([single], {"b": group})) is None
