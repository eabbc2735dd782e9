"""Holm's correction, and the level at which intervals agree with it."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from eval.multiple_testing import SIGNIFICANCE, holm, interval_level


def test_holms_correction():
    rng = np.random.default_rng(2)
    for n in (1, 2, 5, 9):
        p = rng.random(n) ** 3
        assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_level_agrees_with_every_verdict():
    rng = np.random.default_rng(3)
    shown = unshown = 0
    for _ in range(5000):
        p = (rng.random(rng.integers(1, 7)) ** rng.choice([1, 3, 6])).tolist()
        level = interval_level(p)
        assert 0.95 <= level < 1
        for alone, corrected in zip(p, holm(p), strict=True):
            assert (alone < 1 - level) == (corrected < SIGNIFICANCE)
            shown += corrected < SIGNIFICANCE
            unshown += corrected >= SIGNIFICANCE
    assert min(shown, unshown) > 1000


@pytest.mark.parametrize(
    ("p", "level"),
    [
        ([0.03], 0.95),
        ([0.3], 0.95),
        ([0.001, 0.02, 0.03], 0.95),  # all shown
        ([0.001, 0.03, 0.03], 0.975),  # two are not: 0.05 / 2 = 0.025 decides
        ([0.02, 0.3, 0.04], 1 - 0.05 / 3),
        ([], 0.95),
    ],
)
def test_the_level_is_holms_last_bound(p, level):
    assert interval_level(p) == pytest.approx(level)
