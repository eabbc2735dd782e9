"""Multiple testing: Holm's correction, and the level at which intervals agree with it."""

from __future__ import annotations

from collections.abc import Sequence

SIGNIFICANCE = 0.05
"""A difference counts as shown if its p after Holm's correction is below this."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979), in the order given.

    Compared with 5%, they keep the chance of any false positive at 5%, however the tests are
    correlated, and are never less powerful than Bonferroni's.
    """
    m = len(p_values)
    adjusted, largest = [0.0] * m, 0.0
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def interval_level(p_values: Sequence[float]) -> float:
    """The level at which every interval excludes zero exactly when Holm's p is below 5%.

    Holm's procedure takes the p-values in increasing order and stops at the first that is not below
    0.05 / (number left). This last bound is 0.05 / (number not shown): it is above every p that is
    shown and above none of the others. So intervals at 1 − this bound agree with all verdicts. With
    a single verdict, or if all differences are shown, the level is 95%. It is never lower, so each
    interval covers its true difference with at least 95%.
    """
    unshown = sum(p >= SIGNIFICANCE for p in holm(p_values))
    return 1 - SIGNIFICANCE / max(1, unshown)
