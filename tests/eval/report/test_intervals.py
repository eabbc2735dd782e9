"""Intervals on a common scale: round ticks, zero among them, everything to scale."""

from __future__ import annotations

import pytest

from eval.report.intervals import END, START, accuracies_scale, axis, bar, differences_scale


def test_differences_lie_about_zero_on_round_ticks():
    scale = differences_scale([-0.0033, 0.0017, -0.001])
    drawn = axis(scale, about_zero=True)
    assert [text for _, text in drawn.ticks] == ["−0.4", "−0.2", "0", "+0.2"]
    assert (drawn.ticks[0][0], drawn.ticks[-1][0]) == pytest.approx((START, END))
    assert drawn.zero == pytest.approx(drawn.ticks[2][0])
    found = bar(scale, (-0.0033, 0.0017), -0.001, colour=2, shown=False)
    unit = (END - START) / 0.6
    for x, points in ((found.low, -0.33), (found.value, -0.1), (found.high, 0.17)):
        assert x == pytest.approx(drawn.zero + points * unit)


def test_zero_is_there_where_all_differences_are_far_from_it():
    drawn = axis(differences_scale([0.02, 0.03]), about_zero=True)
    assert [text for _, text in drawn.ticks] == ["0", "+1", "+2", "+3"]
    assert axis(differences_scale([0.0, 0.0]), about_zero=True).zero is not None


def test_accuracies_have_no_zero():
    drawn = axis(accuracies_scale([0.821, 0.894]), about_zero=False)
    assert drawn.zero is None
    assert [text for _, text in drawn.ticks] == ["82", "84", "86", "88", "90"]
