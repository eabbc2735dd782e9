"""The picture of all runs' accuracies: to scale, seeds joined, one run with its interval."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, BASE, BETTER, target

from eval.compare import compare
from eval.report.dots import END, LONGEST_LABEL, START, dots


def test_runs_lie_to_scale_and_seeds_are_joined(groups):
    found = compare(groups=groups).groups
    picture = dots(found, "lfw")
    (low, low_text), (high, high_text) = picture.ticks[0], picture.ticks[-1]
    assert (low, high) == pytest.approx((START, END))
    for group, row in zip(found, picture.rows, strict=True):
        shares = [run.results.targets["lfw"].accuracy.mean for run in group.runs]
        for share, (x, told) in zip(shares, row.dots, strict=True):
            value = float(low_text) + (x - low) / (high - low) * (
                float(high_text) - float(low_text)
            )
            assert value == pytest.approx(100 * share)
            assert f"{100 * share:.2f}%" in told
        assert row.mean == pytest.approx(sum(x for x, _ in row.dots) / 4)
        assert row.interval is None
    assert [row.colour for row in picture.rows] == [0, 1]
    upper, lower = picture.rows
    joined = {(x1, x2) for x1, _, x2, _ in picture.links}
    assert joined == {(a[0], b[0]) for a, b in zip(upper.dots, lower.dots, strict=True)}


def test_a_run_by_itself_has_its_interval(make_run):
    runs = [
        make_run(name, {"lfw": target(folds)}, config=BASE)
        for name, folds in (("a", ARCFACE), ("b" * 60, BETTER))
    ]
    picture = dots(compare(runs).groups, "lfw")
    for row in picture.rows:
        low, high = row.interval
        assert START <= low < row.dots[0][0] < high <= END
        assert row.mean is None
    assert picture.links == ()
    assert len(picture.rows[1].name) == LONGEST_LABEL
    assert picture.told.startswith("Accuracy on lfw, %. a: a: 95.53%; b")


def test_a_target_of_nobody_is_no_picture(groups):
    assert dots(compare(groups=groups).groups, "nowhere") is None
