"""Curves and operating points against scikit-learn and known distributions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from eval.roc import operating_point, roc_curve_of, roc_figures


def test_tar_at_far_is_the_best_point_of_the_roc_within_the_target():
    rng = np.random.default_rng(2)
    same = rng.random(25000) < 0.5
    distances = np.round(rng.normal(np.where(same, 1.0, 1.6), 0.3), 2)  # many ties
    far, tar, _ = roc_curve(same, -distances, drop_intermediate=False)
    for inverse in (10, 100, 1000):
        # Counts, not ratios: 0.1 · m is not exact.
        allowed = np.round(far * np.sum(~same)) * inverse <= np.sum(~same)
        assert operating_point(distances, same, inverse).tar == pytest.approx(
            tar[allowed].max(), abs=1e-12
        )


def test_tar_at_far_keeps_the_target_exactly():
    # 100 different pairs: ten false accepts are allowed at 1e-1, an eleventh is not.
    distances = np.concatenate([np.linspace(0.5, 1.5, 100), [0.5 + 10 / 99 - 1e-9, 0.6011]])
    same = np.arange(102) >= 100
    assert operating_point(distances, same, 10).tar == 0.5


def test_known_error_rates_come_out():
    """Distances spread evenly: FAR and TAR at any threshold are lengths on a line."""
    m = 200_000
    impostors, genuine = np.linspace(1, 2, m, endpoint=False), np.linspace(0.9, 1.9, m)
    distances, same = np.concatenate([impostors, genuine]), np.arange(2 * m) >= m
    for inverse in (10, 100, 1000, 10_000):
        point = operating_point(distances, same, inverse)
        assert point.far == pytest.approx(1 / inverse, abs=1 / m)
        assert point.distance == pytest.approx(1 + 1 / inverse, abs=1e-9)
        assert point.cosine == pytest.approx(0.5 - 0.5 / inverse, abs=1e-9)
        assert point.tar == pytest.approx(0.1 + 1 / inverse, abs=2 / m)


def test_roc_is_scikit_learns():
    rng = np.random.default_rng(1)
    same = rng.random(500) < 0.5
    distances = rng.normal(np.where(same, 1.0, 1.6), 0.3)
    far, tar = roc_curve_of(distances, same)
    expected = roc_curve(same, -distances)
    assert np.array_equal(far, expected[0])
    assert np.array_equal(tar, expected[1])
    assert np.trapezoid(tar, far) == pytest.approx(roc_figures(distances, same).auc)
