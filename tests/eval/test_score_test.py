"""McNemar's score test and Tango's interval: published figures, brute force, and their duality."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from eval.score_test import paired_shares


def decided(only_first, only_second, pairs):
    """Decisions of two networks that disagree on so many pairs."""
    first = np.ones(pairs, bool)
    second = np.ones(pairs, bool)
    second[:only_first] = False
    first[only_first : only_first + only_second] = False
    return first, second


def test_the_published_interval_of_airway_hyper_responsiveness():
    """Fagerland, Lydersen and Laake (2014), table II: 1 against 7 of 21 (Bentur et al. 2009)."""
    found = paired_shares(*decided(7, 1, 21))
    assert found.interval == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert found.p == pytest.approx(0.034, abs=5e-4)
    assert found.mean == pytest.approx(-6 / 21)
    assert (found.only_first, found.only_second, found.pairs) == (7, 1, 21)


def test_p_is_mcnemars_chi_squared():
    for b, c in ((3, 9), (20, 20), (5, 30), (0, 4)):
        theirs = statsmodels_mcnemar([[50, b], [c, 3]], exact=False, correction=False)
        assert paired_shares(*decided(b, c, 100)).p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize(
    ("gained", "lost", "pairs"), [(12, 5, 60), (30, 0, 600), (0, 9, 100), (88, 80, 6000)]
)
def test_the_bounds_solve_the_score_equation(gained, lost, pairs):
    """The likeliest table with a given difference, found by brute force instead of a formula."""
    found = paired_shares(*decided(lost, gained, pairs))
    for bound in found.interval:

        def unlikely(share, bound=bound):
            shares = (share + bound, share, 1 - 2 * share - bound)
            counts = (gained, lost, pairs - gained - lost)
            if min(shares) <= 0:
                return math.inf
            return -sum(n * math.log(q) for n, q in zip(counts, shares, strict=True))

        low, high = max(0.0, -bound), (1 - bound) / 2
        best = minimize_scalar(unlikely, bounds=(low, high), method="bounded",
                               options={"xatol": 1e-13})  # fmt: skip
        variance = pairs * (2 * best.x + bound - bound**2)
        statistic = (gained - lost - pairs * bound) / math.sqrt(variance)
        assert abs(statistic) == pytest.approx(stats.norm.ppf(0.975), rel=1e-3)


def test_an_interval_leaves_out_zero_exactly_where_p_is_below_its_level():
    rng = np.random.default_rng(0)
    shown = asked = 0
    for _ in range(2500):
        pairs = int(rng.choice([1, 2, 5, 20, 600, 6000]))
        gained = int(rng.integers(0, min(pairs, 60) + 1))
        lost = int(rng.integers(0, min(pairs - gained, 60) + 1))
        found = paired_shares(*decided(lost, gained, pairs))
        assert found.interval == found.interval_at(0.95)
        for level in (0.7, 0.95, 0.975, 0.999):
            low, high = found.interval_at(level)
            assert -1 <= low <= found.mean <= high <= 1
            assert (low > 0 or high < 0) == (found.p < 1 - level)
            shown, asked = shown + (found.p < 1 - level), asked + 1
    assert 0.2 < shown / asked < 0.8


def test_the_interval_is_asymmetric_where_the_counts_are():
    found = paired_shares(*decided(0, 10, 600))
    low, high = found.interval
    assert high - found.mean > 1.2 * (found.mean - low)
    back = paired_shares(*decided(10, 0, 600))
    assert back.interval == pytest.approx((-high, -low))


def test_networks_that_never_disagree():
    found = paired_shares(*decided(0, 0, 600))
    z = stats.norm.ppf(0.975)
    assert (found.mean, found.p) == (0.0, 1.0)
    assert found.interval == pytest.approx((-z * z / (600 + z * z), z * z / (600 + z * z)))


def test_what_are_no_decisions_is_refused():
    for wrong in (([1, 0], [0, 1]), ([True], [True, False]), ([], [])):
        with pytest.raises(ValueError, match="boolean arrays"):
            paired_shares(*map(np.array, wrong))
