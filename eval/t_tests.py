"""Student's paired t test and Welch's unpaired t test, each with p and a matching interval.

The interval at level 1 − a excludes zero exactly when p < a: both come from the same mean, standard
error and degrees of freedom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

NO_SPREAD = 1e-12
"""Equal differences of accuracies are equal only up to rounding."""

FEW = 3
"""With at most so many runs in one group and more in the other, Welch's degrees of freedom are too
many: 2 runs against 10 differ with p < 0.05 in 10% of the cases where the recipes are equal."""


@dataclass(frozen=True)
class PairedDifference:
    """Mean of second − first over n paired figures, its 95% t interval and two-sided p-value.

    `standard_error` is that of the mean; it is 0 if all n differences are equal.
    """

    mean: float
    interval: tuple[float, float]
    p: float
    n: int
    standard_error: float

    @property
    def spread(self) -> float:
        """Standard deviation of the n differences."""
        return self.standard_error * math.sqrt(self.n)

    def interval_at(self, level: float) -> tuple[float, float]:
        """The interval at another level than 95%, a share of 1."""
        return _t_interval(self.mean, self.standard_error, self.n - 1, level)


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Student's paired t: is the mean of second − first different from zero?

    Pairing removes what both have in common. By seed that is the initial weights and the order of
    the images (common random numbers); the test is valid at any correlation. By fold it is the
    difficulty of the folds, which makes up most of the spread. The folds of a test set are disjoint
    and nothing is trained on them, so unlike in cross-validation they are nearly independent given
    the two networks; only the thresholds, chosen on the other folds, correlate them.

    If all differences are equal, the spread is zero and t is undefined; the limit is returned: an
    interval of zero width, p = 1 for a zero difference and p = 0 otherwise.

    Args:
        first, second: (n,) accuracies of the same seeds or folds, n at least 2.

    Raises:
        ValueError: the two do not have the same length ≥ 2, or a number is not finite.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"a paired t test needs two (n,) arrays, n >= 2, not {x.shape}, {y.shape}")
    difference = y - x
    if not np.isfinite(difference).all():
        raise ValueError("an accuracy is not a finite number")
    n, mean = len(difference), float(difference.mean())
    error = float(difference.std(ddof=1)) / math.sqrt(n)
    p = float(paired_p(x, y))
    if error < NO_SPREAD:
        mean = 0.0 if abs(mean) < NO_SPREAD else mean
        return PairedDifference(mean, (mean, mean), p, n, 0.0)
    return PairedDifference(mean, _t_interval(mean, error, n - 1, 0.95), p, n, error)


def paired_p(first: Floats, second: Floats) -> Floats:
    """The p-values of `paired_difference` for many samples at a time: (…, n) arrays → (…)."""
    difference = second - first
    n = difference.shape[-1]
    error = difference.std(axis=-1, ddof=1) / math.sqrt(n)
    return _two_sided_p(difference.mean(axis=-1), error, n - 1)


@dataclass(frozen=True)
class SeedDifference:
    """Mean of second − first over seeds, Welch's 95% t interval and two-sided p-value.

    `spread` is the standard deviation over seeds, pooled as the root of the mean variance of both;
    `runs` the numbers of runs; `freedom` the Welch-Satterthwaite degrees of freedom, or those of
    the smaller group (see `welch`).
    """

    mean: float
    interval: tuple[float, float]
    p: float
    spread: float
    runs: tuple[int, int]
    standard_error: float
    freedom: float

    def interval_at(self, level: float) -> tuple[float, float]:
        """The interval at another level than 95%, a share of 1."""
        return _t_interval(self.mean, self.standard_error, self.freedom, level)


def welch(first: ArrayLike, second: ArrayLike) -> SeedDifference | None:
    """Welch's t (Welch 1947) on one figure per seed: is the mean of second − first zero?

    For runs without common seeds. It does not assume equal spreads, because a regularizer may
    change the spread. With `FEW` runs of one and more of the other, the degrees of freedom are
    those of the smaller group alone.

    Args:
        first, second: (runs,) accuracies, at least 2 each; the numbers of runs may differ.

    Returns:
        None if neither has any spread: the runs are probably copies, and t is undefined.

    Raises:
        ValueError: fewer than two of either, or a number is not finite.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or y.ndim != 1 or min(len(x), len(y)) < 2:
        raise ValueError("Welch's test needs two 1-d arrays of at least two figures each")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("an accuracy of a run is not a finite number")
    spread = math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    if spread < NO_SPREAD:
        return None
    mean, error, freedom = (float(each) for each in _welch_statistics(x, y))
    interval = _t_interval(mean, error, freedom, 0.95)
    p = float(welch_p(x, y))
    return SeedDifference(mean, interval, p, spread, (len(x), len(y)), error, freedom)


def welch_p(first: Floats, second: Floats) -> Floats:
    """The p-values of `welch` for many samples at a time: (…, n) and (…, m) arrays → (…).

    Where it returns None, p is 1 or 0 as for `paired_difference`.
    """
    return _two_sided_p(*_welch_statistics(first, second))


def _welch_statistics(first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    """Difference of the means over the last axis, its standard error, degrees of freedom."""
    n, m = first.shape[-1], second.shape[-1]
    u, v = first.var(axis=-1, ddof=1) / n, second.var(axis=-1, ddof=1) / m
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (u + v) ** 2 / (u**2 / (n - 1) + v**2 / (m - 1))
    if one_has_few(n, m):
        freedom = np.full_like(freedom, min(n, m) - 1)
    return second.mean(axis=-1) - first.mean(axis=-1), np.sqrt(u + v), freedom


def one_has_few(first: int, second: int) -> bool:
    """Whether one of two groups of runs has at most `FEW` and the other more."""
    return first != second and min(first, second) <= FEW


def _two_sided_p(mean: Floats, error: Floats, freedom: Floats | int) -> Floats:
    """Of t = mean / error; without any spread its limit: 1 for a mean of zero, 0 otherwise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(mean) / error, freedom)
    limit = np.where(np.abs(mean) < NO_SPREAD, 1.0, 0.0)
    found: Floats = np.where(error < NO_SPREAD, limit, p)
    return found


def _t_interval(mean: float, error: float, freedom: float, level: float) -> tuple[float, float]:
    reach = float(stats.t.isf((1 - level) / 2, freedom)) * error
    return mean - reach, mean + reach
