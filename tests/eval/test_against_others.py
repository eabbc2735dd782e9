"""The statistics against what SciPy and statsmodels compute, and against closed forms."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttest_ind

from eval.power import power_of_seeds, resolved_by_pairs, resolved_by_seeds, seeds_needed
from eval.statistics import binomial_interval, holm, mcnemar_exact, paired_bootstrap, welch
from eval.verification import verify


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


@pytest.mark.parametrize(("first", "second"), [(2, 2), (5, 5), (3, 10), (40, 40)])
def test_power_of_t(first, second):
    theirs = TTestIndPower()
    for effect in (0.1, 0.8, 2.0):
        power = theirs.power(effect, first, 0.05, ratio=second / first)
        assert power_of_seeds(0.3 * effect, 0.3, first, second) == pytest.approx(power, abs=1e-6)
    effect = theirs.solve_power(nobs1=first, alpha=0.05, power=0.8, ratio=second / first)
    assert resolved_by_seeds(0.3, first, second) == pytest.approx(0.3 * effect, rel=1e-4)


def test_power_of_differences_beyond_all_doubt():
    assert power_of_seeds(100.0, 0.01, 2, 2) == pytest.approx(1.0)
    assert power_of_seeds(0.0, 0.01, 5, 5) == pytest.approx(0.05)
    assert resolved_by_seeds(1.0, 2, 2) < 40  # within the bracket that is searched


@pytest.mark.parametrize("effect", [0.3, 0.5, 1.0, 2.5])
def test_seeds_needed(effect):
    theirs = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    found = seeds_needed(0.2 * effect, 0.2, freedom=8)
    assert found.seeds == int(np.ceil(theirs - 1e-6))
    low, high = (0.2 * np.sqrt(8 / stats.chi2.ppf(q, 8)) for q in (0.975, 0.025))
    assert found.interval == (
        seeds_needed(0.2 * effect, low, 8).seeds,
        seeds_needed(0.2 * effect, high, 8).seeds,
    )


def test_seeds_needed_ends_somewhere():
    assert seeds_needed(1e-9, 1.0, 8).seeds == 10_000
    assert seeds_needed(1.0, 1e-9, 8).seeds == 2


def test_pairs_needed_is_the_normal_formula():
    # 300 of 6,000 pairs disagree: standard error sqrt(300) / 6000, times 1.96 + 0.84.
    assert resolved_by_pairs(300, 6000) == pytest.approx(2.8016 * np.sqrt(300) / 6000, rel=1e-4)
    assert resolved_by_pairs(0, 6000) == 0.0


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
