"""How sure one can be of an accuracy, and of the difference between two of them.

- `binomial_interval`: how far may the accuracy on these pairs lie from the one on endlessly many?
- `mcnemar_exact`: do two networks differ, judged by the pairs that only one of them gets right?
- `paired_bootstrap`: by how much, and how far would other pairs move that?
- `paired_difference`: the same judged by the accuracies of the folds, where no more is known.
- `welch`: do two recipes differ, judged by several seeds of each?
- `holm`: which of several such answers hold together?

All but `welch` take the trained networks as given: they say nothing of how much another seed
would change them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
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
    """Mean of second − first over n paired figures, its t interval and two-sided p-value."""

    mean: float
    interval: tuple[float, float]
    p: float
    n: int


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
    # Equal differences of accuracies come out equal only to rounding.
    if difference.std(ddof=1) / math.sqrt(n) < 1e-12:
        mean = 0.0 if abs(mean) < 1e-12 else mean
        return PairedDifference(mean, (mean, mean), 1.0 if mean == 0.0 else 0.0, n)
    found = stats.ttest_rel(y, x)
    low, high = found.confidence_interval(confidence)
    return PairedDifference(mean, (float(low), float(high)), float(found.pvalue), n)


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


@dataclass(frozen=True)
class SeedDifference:
    """Mean of second − first over seeds, Welch's t interval and two-sided p-value.

    `spread` is the deviation between seeds of one recipe, the two pooled as the root of their mean
    variance; `runs` how many there are of each.
    """

    mean: float
    interval: tuple[float, float]
    p: float
    spread: float
    runs: tuple[int, int]


def welch(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> SeedDifference | None:
    """Welch's t (Welch 1947) on one figure per seed: is the mean of second − first zero?

    Not paired, even where both recipes ran the same seeds. One seed gives both the same initial
    weights and order of samples, but a changed loss drives two trainings apart within steps, so
    little of the spread is common, while pairing halves the degrees of freedom: with five seeds
    each t must exceed 2.78 instead of 2.31. If runs of one seed do go together, this test errs on
    the careful side. Not pooled (Student), because a regulariser may well change the spread.

    Args:
        first, second: (runs,) accuracies, at least 2 each; the numbers may differ.

    Returns:
        None where neither has any spread: the runs are copies, and t has no value.

    Raises:
        ValueError: fewer than two of either, or a number is not finite.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or y.ndim != 1 or min(len(x), len(y)) < 2:
        raise ValueError("Welch's test needs two rows of at least two figures each")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("an accuracy of a run is not a finite number")
    spread = math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    if spread < 1e-12:
        return None
    with warnings.catch_warnings():
        # One of the two may have no spread, of which SciPy warns; the other's is enough.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = stats.ttest_ind(y, x, equal_var=False)
    low, high = found.confidence_interval(confidence)
    return SeedDifference(
        float(y.mean() - x.mean()),
        (float(low), float(high)),
        float(found.pvalue),
        spread,
        (len(x), len(y)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979), in the order given.

    Judged at 5% they keep the chance of any false "different" at 5%, however the tests hang
    together, and are never less powerful than Bonferroni's.
    """
    m = len(p_values)
    adjusted, largest = [0.0] * m, 0.0
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
