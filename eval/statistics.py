"""How sure one can be of an accuracy, and of the difference between two of them.

Three questions, three functions:

- `binomial_interval`: how far may the accuracy on these pairs lie from the one on endlessly many?
- `paired_difference`: do two networks differ, judged by the accuracies of the same folds?
- `mcnemar_exact`: do they differ, judged by the pairs that only one of them gets right?

All of them treat the trained network as given. None says how much another seed would change it:
that takes several runs of each recipe.
"""

from __future__ import annotations

import math
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
class PairedDifference:
    """Mean of second − first over paired folds, its t interval and two-sided p-value."""

    mean: float
    interval: tuple[float, float]
    p: float
    folds: int


def paired_difference(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95
) -> PairedDifference:
    """Student's paired t over folds: is the mean of second − first different from zero?

    Pairing takes out what is common to both, that some folds are harder than others, and that is
    most of the spread. The folds of a test set are disjoint and nothing is trained on them, so
    unlike those of cross-validated training they are (nearly) independent given the two networks;
    only the thresholds, chosen on the other folds, tie them together.

    Where all differences are equal the spread is zero and t has no value; the limit is returned:
    an interval of no width, p = 1 for no difference at all and p = 0 otherwise.

    Args:
        first, second: (folds,) accuracies of the same folds, at least 2.

    Raises:
        ValueError: the two are not of one length ≥ 2, or a number is not finite.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"paired folds must be two equal rows of >= 2, not {x.shape}, {y.shape}")
    difference = y - x
    if not np.isfinite(difference).all():
        raise ValueError("an accuracy of a fold is not a finite number")
    n, mean = len(difference), float(difference.mean())
    error = float(difference.std(ddof=1)) / math.sqrt(n)
    # Equal differences of accuracies come out equal only to rounding.
    if error < 1e-12:
        mean = 0.0 if abs(mean) < 1e-12 else mean
        return PairedDifference(mean, (mean, mean), 1.0 if mean == 0.0 else 0.0, n)
    reach = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, n - 1))
    return PairedDifference(mean, (mean - reach, mean + reach), p, n)


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
