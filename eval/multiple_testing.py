"""Several verdicts at once: Holm's correction, and the level at which intervals agree with it."""

from __future__ import annotations

from collections.abc import Sequence

SIGNIFICANCE = 0.05
"""A difference counts as shown where its p, after Holm's correction, is below this."""


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


def interval_level(p_values: Sequence[float]) -> float:
    """The level at which every interval leaves out zero exactly where Holm's p is below 5%.

    Holm's procedure takes the p-values in growing order and stops at the first that is not below
    0.05 / (how many are left). That last bound is 0.05 / (how many are not shown): every p that is
    shown is below it, and none of the others is. So intervals at 1 − that bound agree with all
    verdicts. One verdict alone, or nothing but shown ones: 95%. The level is never lower, so each
    interval covers its true difference with at least 95%.
    """
    unshown = sum(p >= SIGNIFICANCE for p in holm(p_values))
    return 1 - SIGNIFICANCE / max(1, unshown)
