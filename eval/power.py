"""What a comparison can see at all: the smallest difference it resolves, the seeds it would need.

A test that finds nothing says little unless it says what it would have found. All figures here are
for a two-sided test at 5% that finds a true difference in 80% of the cases, the usual convention
(Cohen 1988). They take the observed spread for the true one, so they are estimates themselves;
`seeds_needed` says how far off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats
from scipy.optimize import brentq

SIGNIFICANCE = 0.05
"""Below this p a difference counts as shown; goes with the 95% intervals."""

POWER = 0.8
MOST_SEEDS = 10_000


def power_of_seeds(difference: float, spread: float, first: int, second: int) -> float:
    """Chance that Student's t on `first` and `second` seeds shows a true difference.

    By the noncentral t distribution. For Welch's test, whose degrees of freedom lie below, it is
    slightly too good; equal with equal spreads and numbers.
    """
    freedom = first + second - 2
    shift = abs(difference) / (spread * math.sqrt(1 / first + 1 / second))
    bound = stats.t.ppf(1 - SIGNIFICANCE / 2, freedom)
    missed = float(stats.nct.cdf(bound, freedom, shift) - stats.nct.cdf(-bound, freedom, shift))
    # Far out SciPy's noncentral t runs out of digits and answers NaN: nothing is missed there.
    return 1.0 if math.isnan(missed) else 1 - missed


def resolved_by_seeds(spread: float, first: int, second: int) -> float:
    """The smallest true difference that so many seeds of this spread show with `POWER`."""
    unit = spread * math.sqrt(1 / first + 1 / second)

    def short(units: float) -> float:
        return power_of_seeds(units * unit, spread, first, second) - POWER

    return float(brentq(short, 0.0, 40.0, xtol=1e-6)) * unit  # 1 + 2 runs, the worst, need 32


@dataclass(frozen=True)
class SeedsNeeded:
    """Seeds of each recipe that show `difference`; `interval` as the spread is itself uncertain.

    A figure above `MOST_SEEDS` is given as that number.
    """

    difference: float
    seeds: int
    interval: tuple[int, int]


def seeds_needed(difference: float, spread: float, freedom: int) -> SeedsNeeded:
    """How many seeds of each recipe show a true difference of this size with `POWER`.

    Args:
        difference: above 0, in the spread's unit.
        spread: deviation between seeds of one recipe, estimated with `freedom` degrees of freedom;
            its 95% interval (chi-squared) gives that of the answer.
    """
    low, high = (
        spread * math.sqrt(freedom / stats.chi2.ppf(share, freedom)) for share in (0.975, 0.025)
    )
    return SeedsNeeded(
        difference, _seeds(difference, spread), (_seeds(difference, low), _seeds(difference, high))
    )


def _seeds(difference: float, spread: float) -> int:
    enough, too_few = 2, 1
    while power_of_seeds(difference, spread, enough, enough) < POWER:
        if enough >= MOST_SEEDS:
            return MOST_SEEDS
        enough, too_few = min(2 * enough, MOST_SEEDS), enough
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power_of_seeds(difference, spread, middle, middle) < POWER:
            too_few = middle
        else:
            enough = middle
    return enough


def resolved_by_pairs(disagreements: int, pairs: int) -> float:
    """The smallest true difference of accuracy that McNemar's test shows with `POWER`.

    Of n pairs with a share q on which two networks disagree, the difference of their accuracies
    has the standard error sqrt(q / n) (normal approximation, Miettinen 1968).
    """
    if disagreements == 0:
        return 0.0
    bound = stats.norm.ppf(1 - SIGNIFICANCE / 2) + stats.norm.ppf(POWER)
    return float(bound * math.sqrt(disagreements) / pairs)
