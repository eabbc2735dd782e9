"""Uncertainty of an accuracy, and tests of two networks on the same pairs.

- `binomial_interval`: the interval of an accuracy, given the number of pairs.
- `mcnemar_exact`: do two networks differ, judged by the pairs that only one of them gets right?
- `paired_bootstrap`: by how much do they differ, and how much would that vary with other pairs?

All take the trained networks as given: they say nothing about other seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927).

    Chosen over the textbook p ± 1.96·sqrt(p(1−p)/n) because accuracies are close to 1, where that
    interval is too short, leaves [0, 1] and has no width at 100%; and over Clopper-Pearson, because
    Wilson's has the stated coverage on average, while Clopper-Pearson's is always above it
    (Brown, Cai and DasGupta 2001).

    Raises:
        ValueError: trials is not positive, or successes is not between 0 and trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is not a proportion")
    interval = stats.binomtest(int(successes), int(trials)).proportion_ci(
        confidence_level=confidence, method="wilson"
    )
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class McNemar:
    """The pairs on which two networks disagree, and McNemar's exact two-sided p-value."""

    only_first: int
    only_second: int
    p: float


def mcnemar_exact(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """McNemar's test in its exact (binomial) form on the decisions for the same pairs.

    Pairs that both get right or both get wrong say nothing about the difference. If the networks
    are equally good, each of the other pairs is right for either network with probability 1/2, so
    `only_first` is Binomial(only_first + only_second, 1/2); p = 1 if they never disagree.
    (McNemar 1947; the exact form avoids the chi-squared approximation, poor below 25 pairs.)

    Args:
        first_correct, second_correct: (n,) booleans, `VerificationResult.decisions` of each.

    Raises:
        ValueError: the two are not boolean arrays of equal length.
    """
    x, y = np.asarray(first_correct), np.asarray(second_correct)
    if x.dtype != bool or y.dtype != bool or x.ndim != 1 or x.shape != y.shape:
        raise ValueError("McNemar's test takes two boolean arrays of equal length")
    only_first, only_second = int(np.sum(x & ~y)), int(np.sum(y & ~x))
    disagreements = only_first + only_second
    if disagreements == 0:
        return McNemar(0, 0, 1.0)
    p = float(stats.binomtest(only_first, disagreements, 0.5).pvalue)
    return McNemar(only_first, only_second, p)


@dataclass(frozen=True)
class Bootstrap:
    """Mean of a difference over pairs, with its percentile interval."""

    mean: float
    interval: tuple[float, float]
    resamples: int


def paired_bootstrap(
    differences: ArrayLike,
    folds: int = 10,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Percentile bootstrap (Efron 1979) of the mean over folds of a difference known for each pair.

    Pairs are resampled within their contiguous fold, so the statistic is the protocol's mean over
    folds whatever the folds' sizes. A pair's difference takes few values (−1, 0, 1 for two
    networks), and the number of draws of each value is multinomial. Drawing these counts is
    equivalent to drawing pairs, at a thousandth of the cost. Thresholds stay fixed.

    Args:
        differences: (n,) second − first: of correctness (0 or 1), or of its mean over seeds.
        folds: contiguous folds, sizes differing by at most one; 1 for the plain mean.

    Raises:
        ValueError: not a 1-d array of finite numbers, or fewer than folds.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or folds < 1 or len(values) < folds or not np.isfinite(values).all():
        raise ValueError(f"a bootstrap needs a 1-d array of at least {folds} finite differences")
    rng = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for members in np.array_split(values, folds):  # sizes as in KFold: larger folds first
        distinct, counts = np.unique(members, return_counts=True)
        drawn = rng.multinomial(len(members), counts / len(members), size=resamples)
        total += drawn @ distinct / len(members)
    tail = (1 - confidence) / 2
    low, high = np.quantile(total / folds, [tail, 1 - tail])
    mean = float(np.mean([members.mean() for members in np.array_split(values, folds)]))
    return Bootstrap(mean, (float(low), float(high)), resamples)
