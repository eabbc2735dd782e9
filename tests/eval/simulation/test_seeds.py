"""Figures drawn directly have the moments they were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from eval.simulation.seeds import TAILS, SeedModel


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_means_deviations_and_correlation(tail, correlation):
    model = SeedModel((1.0, 3.0), (1.0, 2.0), correlation, (tail, tail))
    drawn = model.figures(40_000, 3, np.random.default_rng(0))
    assert drawn.shape == (40_000, 2, 3)
    assert drawn.mean(axis=(0, 2)) == pytest.approx([1.0, 3.0], abs=0.05)
    assert drawn.std(axis=(0, 2)) == pytest.approx([1.0, 2.0], rel=0.1)
    by_seed = np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1]
    assert by_seed == pytest.approx(correlation, abs=0.05)
    other_seeds = np.corrcoef(drawn[:, 0, 0], drawn[:, 1, 1])[0, 1]
    assert other_seeds == pytest.approx(0.0, abs=0.05)


def test_failing_runs_lose_as_much_as_said():
    model = SeedModel(failing=(0.0, 0.1), loss=20.0)
    reference, other = model.figures(5000, 4, np.random.default_rng(1)).transpose(1, 0, 2)
    assert reference.min() > -6
    assert np.mean(other < -10) == pytest.approx(0.1, abs=0.01)
    assert other.mean() == pytest.approx(-2.0, abs=0.2)
