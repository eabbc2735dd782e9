"""Intervals and tests against closed forms, SciPy's and statsmodels' own, and simulations."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import proportion_confint

from eval.statistics import (
    binomial_interval,
    mcnemar_exact,
    paired_bootstrap,
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
    with pytest.raises(ValueError, match="boolean arrays"):
        mcnemar_exact([1, 0], [0, 1])
    with pytest.raises(ValueError, match="boolean arrays"):
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
