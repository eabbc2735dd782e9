"""Intervals and tests against closed forms, SciPy's own and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from eval.statistics import binomial_interval, mcnemar_exact, paired_difference


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (5967, 6000), (1, 2), (3000, 6000)])
def test_binomial_interval_is_wilsons_closed_form(k, n):
    z, p = stats.norm.ppf(0.975), k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = binomial_interval(k, n)
    assert (low, high) == pytest.approx((centre - reach, centre + reach), abs=1e-12)
    assert 0 <= low <= p <= high <= 1


def test_binomial_interval_of_lfw_is_the_fields_rule_of_thumb():
    low, high = binomial_interval(round(0.9945 * 6000), 6000)
    assert (high - low) / 2 == pytest.approx(0.0019, abs=0.0002)


def test_binomial_interval_covers_what_it_says():
    rng = np.random.default_rng(0)
    drawn = np.bincount(rng.binomial(6000, 0.95, size=20000))
    inside = sum(
        count
        for k, count in enumerate(drawn)
        if count and binomial_interval(k, 6000)[0] <= 0.95 <= binomial_interval(k, 6000)[1]
    )
    assert inside / 20000 == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_binomial_interval_refuses_what_is_no_proportion(k, n):
    with pytest.raises(ValueError, match="not a proportion"):
        binomial_interval(k, n)


def test_paired_difference_equals_scipys_paired_t():
    rng = np.random.default_rng(0)
    first = rng.normal(0.95, 0.01, 10)
    second = first + rng.normal(0.004, 0.004, 10)
    ours, theirs = paired_difference(first, second), stats.ttest_rel(second, first)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.interval == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert ours.mean == pytest.approx(np.mean(second - first))
    back = paired_difference(second, first)
    assert (back.mean, back.p) == (-ours.mean, ours.p)


def test_paired_difference_by_hand():
    # Differences 0.01, 0.02, 0.03: mean 0.02, deviation 0.01, t = 0.02 / (0.01 / √3), 2 degrees.
    result = paired_difference([0.9, 0.9, 0.9], [0.91, 0.92, 0.93])
    t = 2 * math.sqrt(3)
    assert result.p == pytest.approx(1 - t / math.sqrt(t * t + 2))  # t with 2 degrees, closed form
    assert result.n == 3


def test_paired_difference_without_spread_takes_the_limit():
    x = np.linspace(0.9, 0.99, 10)
    assert paired_difference(x, x) == paired_difference(x[::-1], x[::-1])
    assert (paired_difference(x, x).p, paired_difference(x, x).interval) == (1.0, (0.0, 0.0))
    shifted = paired_difference(x, x + 0.01)
    assert shifted.p == 0.0
    assert shifted.mean == pytest.approx(0.01)


def test_paired_difference_rejects_five_percent_of_equals():
    rng = np.random.default_rng(1)
    hits = rng.binomial(600, 0.95, size=(2, 4000, 10)) / 600
    p = np.array([paired_difference(x, y).p for x, y in zip(*hits, strict=True)])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.012)


def test_paired_difference_refuses_other_shapes():
    with pytest.raises(ValueError, match="paired folds"):
        paired_difference([0.9] * 10, [0.9] * 9)
    with pytest.raises(ValueError, match="paired folds"):
        paired_difference([0.9], [0.8])
    with pytest.raises(ValueError, match="finite"):
        paired_difference([0.9, math.nan], [0.9, 0.9])


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 6), (3, 9), (20, 20), (5, 30)])
def test_mcnemar_is_the_exact_binomial_tail(b, c):
    first = np.array([True] * (5 + b) + [False] * c + [False] * 4)
    second = np.array([True] * 5 + [False] * b + [True] * c + [False] * 4)
    result = mcnemar_exact(first, second)
    n, k = b + c, min(b, c)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert (result.only_first, result.only_second) == (b, c)
    assert result.p == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_refuses_what_are_no_decisions():
    with pytest.raises(ValueError, match="booleans"):
        mcnemar_exact([1, 0], [0, 1])
    with pytest.raises(ValueError, match="booleans"):
        mcnemar_exact([True], [True, False])
