"""Intervals and tests against closed forms, SciPy's and statsmodels' own, and simulations."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttest_ind

from eval.statistics import (
    binomial_interval,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    paired_difference,
    welch,
)
from eval.verification import verify


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
    hits = rng.binomial(600, 0.95, size=(2, 2000, 10)) / 600
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


@pytest.mark.parametrize(("k", "n"), [(5967, 6000), (6000, 6000), (3, 7)])
def test_wilsons_interval(k, n):
    assert binomial_interval(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"))


def test_mcnemars_exact_test():
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.03, 0.1):
        first, second = rng.random(300) < 0.9, rng.random(300) < 0.9 - shift
        table = [[np.sum(a & b) for b in (second, ~second)] for a in (first, ~first)]
        theirs = statsmodels_mcnemar(table, exact=True)
        assert mcnemar_exact(first, second).p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("sizes", [(5, 5), (3, 8), (2, 2)])
def test_welchs_t(sizes):
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.95, 0.002, sizes[0]), rng.normal(0.953, 0.004, sizes[1])
    found = welch(x, y)
    t, p, _ = ttest_ind(y, x, usevar="unequal")
    assert found.p == pytest.approx(p)
    assert found.mean == pytest.approx(y.mean() - x.mean())
    assert np.sign(t) == np.sign(found.mean)
    # The interval by hand, with Welch's and Satterthwaite's degrees of freedom.
    vx, vy = x.var(ddof=1) / sizes[0], y.var(ddof=1) / sizes[1]
    freedom = (vx + vy) ** 2 / (vx**2 / (sizes[0] - 1) + vy**2 / (sizes[1] - 1))
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(vx + vy)
    assert found.interval == pytest.approx((found.mean - reach, found.mean + reach))
    assert found.spread == pytest.approx(np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2))


def test_welch_without_spread_gives_no_answer():
    assert welch([0.9, 0.9], [0.95, 0.95, 0.95]) is None
    assert welch([0.9, 0.9], [0.95, 0.96]) is not None
    with pytest.raises(ValueError, match="at least two"):
        welch([0.9], [0.95, 0.96])
    with pytest.raises(ValueError, match="finite"):
        welch([0.9, np.nan], [0.95, 0.96])


def test_holms_correction():
    rng = np.random.default_rng(2)
    for n in (1, 2, 5, 9):
        p = rng.random(n) ** 3
        assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_bootstrap_is_scipys():
    """Drawing counts is drawing pairs: quantiles agree within the noise of both simulations."""
    rng = np.random.default_rng(3)
    differences = rng.choice([-1.0, 0.0, 1.0], p=[0.04, 0.9, 0.06], size=1500)
    ours = paired_bootstrap(differences, folds=1, resamples=20_000)
    theirs = stats.bootstrap(
        (differences,), np.mean, n_resamples=6000, method="percentile", batch=500,
        rng=np.random.default_rng(4),
    ).confidence_interval  # fmt: skip
    width = ours.interval[1] - ours.interval[0]
    assert ours.mean == pytest.approx(differences.mean())
    assert ours.interval == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)


def test_the_bootstrap_keeps_to_the_folds():
    # All the difference lies between two folds and none within: nothing is left to draw.
    constant = paired_bootstrap(np.repeat([0.0, 1.0], 50), folds=2)
    assert constant.interval == (0.5, 0.5)
    # Folds of 4 and 3: the mean over folds, not over pairs.
    uneven = paired_bootstrap([1, 1, 1, 1, 0, 0, 0], folds=2)
    assert uneven.mean == 0.5
    assert paired_bootstrap([0.0, 1.0] * 50, seed=1) == paired_bootstrap([0.0, 1.0] * 50, seed=1)
    with pytest.raises(ValueError, match="finite differences"):
        paired_bootstrap([0.0, np.nan], folds=1)
    with pytest.raises(ValueError, match="at least 10"):
        paired_bootstrap([0.0] * 9)


def test_all_statistics_of_6000_pairs_take_less_than_a_second():
    rng = np.random.default_rng(5)
    same = np.arange(6000) % 2 == 0
    a = rng.normal(size=(6000, 512)).astype(np.float32)
    pairs = [a * same[:, None] + rng.normal(size=a.shape) * 3 for _ in range(2)]

    def everything():
        first, second = (verify(a, b, same) for b in pairs)
        paired_bootstrap(second.decisions.astype(int) - first.decisions, resamples=10_000)
        mcnemar_exact(first.decisions, second.decisions)

    seconds = []
    for _ in range(3):
        started = time.process_time()  # other tests share the cores
        everything()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 1.0  # for two networks at once


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("without_spread", [0, 1])
def test_welch_with_one_spread_is_students_t_of_that_one(without_spread):
    rows = [np.array([0.95, 0.96, 0.94]), np.array([0.9, 0.9])]
    x, y = rows if without_spread else rows[::-1]
    found = welch(x, y)
    expected = stats.ttest_1samp(rows[0], 0.9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    reach = np.diff(expected.confidence_interval())[0] / 2
    assert np.diff(found.interval)[0] / 2 == pytest.approx(reach, rel=1e-12)


def test_both_t_have_the_digits_of_their_formulas():
    rng = np.random.default_rng(5)
    for n in (2, 3, 10):
        x = rng.normal(0.95, 0.01, n)
        y = x + rng.normal(0.003, 0.004, n)
        d, found = y - x, paired_difference(x, y)
        reach = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / math.sqrt(n)
        assert found.interval == pytest.approx((d.mean() - reach, d.mean() + reach), rel=1e-12)
        u, v = x.var(ddof=1) / n, y.var(ddof=1) / n
        freedom = (u + v) ** 2 / (u**2 / (n - 1) + v**2 / (n - 1))
        reach = stats.t.ppf(0.975, freedom) * math.sqrt(u + v)
        found = welch(x, y)
        assert found.interval == pytest.approx((d.mean() - reach, d.mean() + reach), rel=1e-12)
        t = abs(d.mean()) / math.sqrt(u + v)
        assert found.p == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-12)
