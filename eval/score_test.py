"""Two networks on the same pairs: McNemar's score test and the matching interval.

The exact form of McNemar's test has no matching interval for the difference of two accuracies. The
score test has one: Tango (1998) inverts it, so the interval at level 1 − a excludes zero exactly
when p < a, and it is asymmetric if the counts are. Fagerland, Lydersen and Laake (2013, 2014)
recommend both: unlike the exact test, they stay close to 5% even if few pairs disagree.

T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17 (1998), 891–908.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import brentq


@dataclass(frozen=True)
class PairedShares:
    """Difference of the shares of pairs that two networks decide correctly, second − first.

    Attributes:
        only_first, only_second: number of pairs that only this network decides correctly.
        pairs: number of all pairs.
        mean: (only_second − only_first) / pairs.
        interval, p: Tango's 95% interval, and the two-sided p-value of the score test.
    """

    only_first: int
    only_second: int
    pairs: int
    mean: float
    interval: tuple[float, float]
    p: float

    def interval_at(self, level: float) -> tuple[float, float]:
        """The interval at another level than 95%, as a fraction."""
        return _score_interval(self.only_second, self.only_first, self.pairs, level)


def paired_shares(first_correct: ArrayLike, second_correct: ArrayLike) -> PairedShares:
    """The score test on the decisions of two networks for the same pairs.

    It assumes independent pairs. In the protocol, decisions are slightly correlated, because each
    fold's threshold is chosen on the other folds and because pairs share people and images.

    Args:
        first_correct, second_correct: (n,) booleans, `VerificationResult.decisions` of each.

    Raises:
        ValueError: the two are not boolean arrays of equal length ≥ 1.
    """
    x, y = np.asarray(first_correct), np.asarray(second_correct)
    if x.dtype != bool or y.dtype != bool or x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError("the score test takes two boolean arrays of equal length")
    only_first, only_second, n = int(np.sum(x & ~y)), int(np.sum(y & ~x)), len(x)
    return PairedShares(
        only_first,
        only_second,
        n,
        (only_second - only_first) / n,
        _score_interval(only_second, only_first, n, 0.95),
        float(2 * stats.norm.sf(abs(_score(0.0, only_second, only_first, n)))),
    )


def _score(difference: float, gained: int, lost: int, n: int) -> float:
    """The score statistic for a hypothetical difference; standard normal if it is the true one.

    At 0 it is McNemar's (gained − lost) / sqrt(gained + lost). The variance uses the maximum
    likelihood share of lost pairs, given the difference: the larger root of a quadratic (Tango
    1998, eq. 6).
    """
    b = (2 * n - gained + lost) * difference - gained - lost
    c = -lost * difference * (1 - difference)
    lost_share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * lost_share + difference * (1 - difference))
    surplus = gained - lost - n * difference
    if variance <= 0:  # no pair disagrees and the hypothesis is 0, or it is ±1
        return math.copysign(math.inf, surplus) if surplus else 0.0
    return surplus / math.sqrt(variance)


def _score_interval(gained: int, lost: int, n: int, level: float) -> tuple[float, float]:
    """The differences that the score test does not reject at significance 1 − level."""
    mean, bound = (gained - lost) / n, float(stats.norm.isf((1 - level) / 2))

    def root(sign: int) -> float:
        def beyond(difference: float) -> float:
            return sign * _score(difference, gained, lost, n) + bound

        end = float(sign)
        if mean == end or beyond(end * (1 - 1e-12)) > 0:
            return end
        return float(brentq(beyond, mean, end * (1 - 1e-12), xtol=1e-12))

    return root(-1), root(1)
