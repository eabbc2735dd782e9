"""Power and numbers of seeds against statsmodels and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from eval.power import power_of_seeds, resolved_by_pairs, resolved_by_seeds, seeds_needed


@pytest.mark.parametrize(("first", "second"), [(2, 2), (5, 5), (3, 10), (40, 40)])
def test_power_of_t(first, second):
    theirs = TTestIndPower()
    for effect in (0.1, 0.8, 2.0):
        power = theirs.power(effect, first, 0.05, ratio=second / first)
        if np.isnan(power):  # some versions of SciPy's noncentral t run out of digits
            power = 1.0
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
