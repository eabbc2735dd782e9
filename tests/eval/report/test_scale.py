"""Axes: round ends and ticks that hold the values, whatever these are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.report.scale import linear, logarithmic, nice, number


def is_round(value):
    """1, 2 or 5 times a power of ten."""
    logs = [math.log10(value / factor) for factor in (1, 2, 5)]
    return any(math.isclose(log, round(log), abs_tol=1e-6) for log in logs)


def test_a_linear_axis_holds_its_values_between_round_ends():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        low = rng.normal() * 10.0 ** rng.uniform(-4, 4)
        high = low + 10.0 ** rng.uniform(-3, 5)
        scale = linear(low, high, 10, 110, intervals=5)
        step = scale.ticks[1] - scale.ticks[0]
        assert scale.ticks[0] == scale.low <= low + 1e-6 * step
        assert scale.ticks[-1] == scale.high >= high - 1e-6 * step
        assert 2 <= len(scale.ticks) <= 6
        assert is_round(nice(step * 0.999))
        assert all(math.isclose(t / step, round(t / step), abs_tol=1e-5) for t in scale.ticks)
        assert scale.at(scale.low) == pytest.approx(10)
        assert scale.at(scale.high) == pytest.approx(110)


def test_one_value_alone_has_room_around_it():
    scale = linear(0.95, 0.95, 0, 100)
    assert scale.low < 0.95 < scale.high
    assert linear(0, 0, 0, 100).ticks[0] < 0 < linear(0, 0, 0, 100).ticks[-1]


def test_padded_values_do_not_sit_on_the_edge():
    scale = linear(80, 90, 0, 100, padded=True)
    assert scale.low < 80
    assert scale.high > 90


def test_ticks_are_at_whole_numbers_where_nothing_lies_between():
    assert linear(1, 3, 0, 100, least_step=1).ticks == (1, 2, 3)
    assert linear(1, 3, 0, 100).ticks[1] == 1.5
    assert linear(1, 40, 0, 100, least_step=1).ticks == (0, 10, 20, 30, 40)


def test_a_logarithmic_axis_has_round_ticks():
    wide = logarithmic(1 / 3000, 1, 0, 100)
    assert wide.ticks == pytest.approx((1e-3, 1e-2, 1e-1, 1))
    assert (wide.low, wide.high) == pytest.approx((2e-4, 1))
    short = logarithmic(0.03, 0.1, 0, 100)
    assert short.ticks == pytest.approx((0.02, 0.05, 0.1))
    one = logarithmic(0.1, 0.1, 0, 100)
    assert one.low < 0.1 < one.high
    assert wide.at(1e-2) - wide.at(1e-3) == pytest.approx(wide.at(1e-1) - wide.at(1e-2))


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(0.0, True, "0"), (0.1 + 0.2, False, "0.3"), (12_500, False, "12.5k"), (-3, False, "−3"),
     (3, True, "+3"), (9000, False, "9000"), (1e-15, False, "0")],
)  # fmt: skip
def test_numbers_are_short(value, signed, text):
    assert number(value, signed) == text
