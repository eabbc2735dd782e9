"""Power analysis: the smallest difference a comparison can detect, and the number of seeds needed.

A negative result means little without the difference that would have been found. All figures here
are for a two-sided test with 80% power, the usual convention (Cohen 1988). Its level is 5% for a
single verdict, and for one of several what Holm's correction leaves. They use the observed spread
as the true one, so they are estimates; `seeds_needed` gives their uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtr

from eval.multiple_testing import SIGNIFICANCE
from eval.t_tests import one_has_few

POWER = 0.8
MOST_SEEDS = 10_000

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(200)
_QUANTILES, _WEIGHTS = (_NODES + 1) / 2, _NODE_WEIGHTS / 2


@dataclass(frozen=True)
class Design:
    """The design of a t test over seeds: standard error of the difference, degrees of freedom."""

    standard_error: float
    freedom: int


def unpaired(spread: float, first: int, second: int) -> Design:
    """Student's t on `first` and `second` seeds whose accuracies have this standard deviation.

    For Welch's test, which has fewer degrees of freedom, this slightly overestimates the power; it
    is exact for equal spreads and numbers of seeds.
    """
    few = one_has_few(first, second)
    freedom = min(first, second) - 1 if few else first + second - 2
    return Design(spread * math.sqrt(1 / first + 1 / second), freedom)


def paired(spread: float, seeds: int) -> Design:
    """Paired t on `seeds` seeds whose differences have this standard deviation."""
    return Design(spread / math.sqrt(seeds), seeds - 1)


def power(difference: float, design: Design, significance: float = SIGNIFICANCE) -> float:
    """Probability that the t test shows a true difference: the tails of the noncentral t.

    Given the estimated spread the mean is normal, so a normal tail is averaged over the spread's
    distribution, at Gauss-Legendre nodes of its quantiles. (SciPy's noncentral t returns NaN for
    large shifts; with one degree of freedom this happens before the power reaches 80%.)
    """
    freedom, shift = design.freedom, abs(difference) / design.standard_error
    spreads = np.sqrt(stats.chi2.ppf(_QUANTILES, freedom) / freedom)
    bounds = stats.t.ppf(1 - significance / 2, freedom) * spreads
    return float(_WEIGHTS @ (ndtr(shift - bounds) + ndtr(-shift - bounds)))


def resolved(design: Design, significance: float = SIGNIFICANCE) -> float:
    """The smallest true difference that the t test shows with `POWER`."""
    unit = design.standard_error

    def short(units: float) -> float:
        return power(units * unit, design, significance) - POWER

    enough = 1.0
    while short(enough) < 0.0:
        enough *= 2.0
    return float(brentq(short, 0.0, enough, xtol=1e-6)) * unit


@dataclass(frozen=True)
class SeedsNeeded:
    """Seeds per recipe that show `difference`; `interval` because the spread is only estimated.

    Numbers are capped at `MOST_SEEDS`.
    """

    difference: float
    seeds: int
    interval: tuple[int, int]


def seeds_needed(
    difference: float,
    spread: float,
    freedom: int,
    design: Callable[[float, int], Design],
    significance: float = SIGNIFICANCE,
) -> SeedsNeeded:
    """The number of seeds per recipe that shows a true difference of this size with `POWER`.

    Args:
        difference: positive, in the unit of `spread`.
        spread: standard deviation, estimated with `freedom` degrees of freedom; its 95% interval
            (chi-squared) gives the interval of the result.
        design: (spread, seeds per recipe) → the test's design: `paired`, or `unpaired` with two
            equal numbers.
        significance: the test's level, a share of 1.
    """
    low, high = (
        spread * math.sqrt(freedom / stats.chi2.ppf(share, freedom)) for share in (0.975, 0.025)
    )
    seeds, fewest, most = (_seeds(difference, s, design, significance) for s in (spread, low, high))
    return SeedsNeeded(difference, seeds, (fewest, most))


def _seeds(
    difference: float,
    spread: float,
    design: Callable[[float, int], Design],
    significance: float,
) -> int:
    enough, too_few = 2, 1
    while power(difference, design(spread, enough), significance) < POWER:
        if enough >= MOST_SEEDS:
            return MOST_SEEDS
        enough, too_few = min(2 * enough, MOST_SEEDS), enough
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power(difference, design(spread, middle), significance) < POWER:
            too_few = middle
        else:
            enough = middle
    return enough


def resolved_by_pairs(disagreements: int, pairs: int, significance: float = SIGNIFICANCE) -> float:
    """The smallest true difference of accuracy that the score test shows with `POWER`.

    If two networks disagree on a share q of n pairs, the difference of their accuracies has the
    standard error sqrt(q / n) (normal approximation, Miettinen 1968).
    """
    if disagreements == 0:
        return 0.0
    bound = stats.norm.ppf(1 - significance / 2) + stats.norm.ppf(POWER)
    return float(bound * math.sqrt(disagreements) / pairs)
