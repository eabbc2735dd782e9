"""Power and numbers of seeds against statsmodels and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from eval.power import paired, power, resolved, resolved_by_pairs, seeds_needed, unpaired


def equal(spread, seeds):
    return unpaired(spread, seeds, seeds)


@pytest.mark.parametrize(("first", "second"), [(2, 2), (5, 5), (4, 10), (40, 40)])
def test_power_of_t(first, second):
    theirs = TTestIndPower()
    for effect in (0.1, 0.8, 2.0):
        expected = theirs.power(effect, first, 0.05, ratio=second / first)
        if np.isnan(expected):  # some versions of SciPy's noncentral t run out of digits
            expected = 1.0
        assert power(0.3 * effect, unpaired(0.3, first, second)) == pytest.approx(
            expected, abs=1e-6
        )
    effect = theirs.solve_power(nobs1=first, alpha=0.05, power=0.8, ratio=second / first)
    assert resolved(unpaired(0.3, first, second)) == pytest.approx(0.3 * effect, rel=1e-4)


def test_power_with_few_runs_of_one_recipe_has_the_freedom_of_those():
    assert unpaired(1.0, 2, 10).freedom == 1
    assert unpaired(1.0, 8, 3).freedom == 2
    assert power(3.0, unpaired(1.0, 2, 10)) < power(3.0, unpaired(1.0, 4, 10)) / 2


def test_power_of_differences_beyond_all_doubt():
    assert power(100.0, unpaired(0.01, 2, 2)) == pytest.approx(1.0)
    assert power(0.0, unpaired(0.01, 5, 5)) == pytest.approx(0.05, abs=1e-5)
    assert resolved(unpaired(1.0, 2, 2)) < 40  # within the bracket that is searched
    assert 16 < resolved(paired(1.0, 2)) * 2**0.5 < 18  # as is the worst, one degree of freedom


@pytest.mark.parametrize("effect", [0.3, 0.5, 1.0, 2.5])
def test_seeds_needed(effect):
    theirs = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    found = seeds_needed(0.2 * effect, 0.2, 8, equal)
    assert found.seeds == int(np.ceil(theirs - 1e-6))
    low, high = (0.2 * np.sqrt(8 / stats.chi2.ppf(q, 8)) for q in (0.975, 0.025))
    assert found.interval == (
        seeds_needed(0.2 * effect, low, 8, equal).seeds,
        seeds_needed(0.2 * effect, high, 8, equal).seeds,
    )


def test_seeds_needed_ends_somewhere():
    assert seeds_needed(1e-9, 1.0, 8, equal).seeds == 10_000
    assert seeds_needed(1.0, 1e-9, 8, equal).seeds == 2


def test_pairs_needed_is_the_normal_formula():
    # 300 of 6,000 pairs disagree: standard error sqrt(300) / 6000, times 1.96 + 0.84.
    assert resolved_by_pairs(300, 6000) == pytest.approx(2.8016 * np.sqrt(300) / 6000, rel=1e-4)
    assert resolved_by_pairs(0, 6000) == 0.0


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_power_of_the_paired_t(seeds):
    theirs = TTestPower()
    for effect in (0.2, 1.0, 2.0):
        expected = theirs.power(effect, seeds, 0.05)
        if np.isnan(expected):
            expected = 1.0
        assert power(0.3 * effect, paired(0.3, seeds)) == pytest.approx(expected, abs=1e-6)
    if seeds > 2:  # at one degree of freedom SciPy's noncentral t, on which theirs rests, is NaN
        effect = theirs.solve_power(nobs=seeds, alpha=0.05, power=0.8)
        assert resolved(paired(0.3, seeds)) == pytest.approx(0.3 * effect, rel=1e-4)


@pytest.mark.parametrize("verdicts", [1, 3, 7, 40])
def test_power_at_what_is_left_of_five_percent(verdicts):
    level = 0.05 / verdicts
    rng = np.random.default_rng(1)
    for seeds in (2, 3, 5, 20):  # SciPy's noncentral t fails here with few degrees of freedom
        found = resolved(paired(0.3, seeds), level)
        drawn = rng.normal(found, 0.3, (100_000, seeds))
        shown = stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < level
        assert shown.mean() == pytest.approx(0.8, abs=0.005)
        half = stats.t.ppf(1 - level / 2, seeds - 1) * 0.3 / np.sqrt(seeds)
        assert (
            found > half
        )  # of the interval: with exactly this difference it is shown half the time
    assert power(0.0, paired(0.3, 5), level) == pytest.approx(level, rel=1e-3)
    assert resolved(paired(1.0, 2), level) > 10 * verdicts  # one degree of freedom
    theirs = TTestPower().solve_power(effect_size=1.0, alpha=level, power=0.8)
    assert seeds_needed(0.2, 0.2, 8, paired, level).seeds == int(np.ceil(theirs - 1e-6))
    z = stats.norm.ppf(1 - level / 2) + stats.norm.ppf(0.8)
    assert resolved_by_pairs(300, 6000, level) == pytest.approx(z * np.sqrt(300) / 6000)


def test_seeds_needed_in_pairs():
    theirs = TTestPower().solve_power(effect_size=0.8, alpha=0.05, power=0.8)
    assert seeds_needed(0.8, 1.0, 4, paired).seeds == int(np.ceil(theirs - 1e-6))


def test_two_seeds_in_pairs_by_simulation():
    """One degree of freedom, where SciPy's noncentral t gives no answer at this difference."""
    difference = resolved(paired(1.0, 2))
    d = np.random.default_rng(0).normal(difference, 1.0, size=(100_000, 2))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / np.sqrt(2))
    assert np.mean(np.abs(t) > stats.t.ppf(0.975, 1)) == pytest.approx(0.8, abs=0.006)
