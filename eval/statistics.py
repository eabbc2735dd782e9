"""How far an accuracy can be trusted, and which pairs decide between two networks.

- `binomial_interval`: how far may the accuracy on these pairs lie from the one on endlessly many?
- `mcnemar_exact`: do two networks differ, judged by the pairs that only one of them gets right?
- `paired_bootstrap`: by how much, and how far would other pairs move that?

All take the trained networks as given: they say nothing of how much another seed would change them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927).

    Chosen over the textbook p ± 1.96·sqrt(p(1−p)/n) because accuracies sit next to 1, where that
    one is too short, leaves [0, 1] and shrinks to nothing at 100%; and over Clopper-Pearson,
    because Wilson's covers the stated share on average and not ever more than it
    (Brown, Cai and DasGupta 2001).

    Raises:
        ValueError: trials is not positive or successes is not in 0 … trials.
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

    Pairs that both get right or both get wrong tell nothing about the difference. Of the others,
    if the networks are equally good, each is the one or the other's success with chance 1/2, so
    `only_first` is Binomial(only_first + only_second, 1/2); p = 1 where they never disagree.
    (McNemar 1947; the exact form avoids the chi-squared approximation, poor below 25 pairs.)

    Args:
        first_correct, second_correct: (n,) booleans, `VerificationResult.decisions` of each.

    Raises:
        ValueError: the two are not boolean rows of one length.
    """
    x, y = np.asarray(first_correct), np.asarray(second_correct)
    if x.dtype != bool or y.dtype != bool or x.ndim != 1 or x.shape != y.shape:
        raise ValueError("McNemar's test takes two equally long rows of booleans")
    only_first, only_second = int(np.sum(x & ~y)), int(np.sum(y & ~x))
    disagreements = only_first + only_second
    if disagreements == 0:
        return McNemar(0, 0, 1.0)
    p = float(stats.binomtest(only_first, disagreements, 0.5).pvalue)
    return McNemar(only_first, only_second, p)


@dataclass(frozen=True)
class Bootstrap:
    """Mean of a difference over pairs and its percentile interval."""

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

    Pairs are redrawn within their contiguous fold, so the statistic is the field's mean over folds
    whatever the folds' sizes. A pair's difference takes few values (−1, 0, 1 for two networks), and
    how often each is drawn is multinomial: drawing those counts is drawing the pairs, to the last
    probability, at a thousandth of the cost. Thresholds stay as the protocol chose them.

    Args:
        differences: (n,) second − first: of rightness (0 or 1), or of its mean over seeds.
        folds: contiguous folds, sizes differing by at most one; 1 for the plain mean.

    Raises:
        ValueError: no row of finite numbers, or fewer than folds.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or folds < 1 or len(values) < folds or not np.isfinite(values).all():
        raise ValueError(f"a bootstrap needs a row of at least {folds} finite differences")
    rng = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for members in np.array_split(values, folds):  # sizes as KFold's: the first are the larger
        distinct, counts = np.unique(members, return_counts=True)
        drawn = rng.multinomial(len(members), counts / len(members), size=resamples)
        total += drawn @ distinct / len(members)
    tail = (1 - confidence) / 2
    low, high = np.quantile(total / folds, [tail, 1 - tail])
    mean = float(np.mean([members.mean() for members in np.array_split(values, folds)]))
    return Bootstrap(mean, (float(low), float(high)), resamples)
