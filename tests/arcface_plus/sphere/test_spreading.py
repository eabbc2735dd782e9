"""Known best arrangements of points and of lines, and reproducible starts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arcface_plus.models.regularizers import MHE, Orthonormal
from arcface_plus.sphere.spreading import Spread, spread


@pytest.mark.parametrize(
    ("points", "energy", "angle"),
    [
        (4, 0.375, math.degrees(math.acos(-1 / 3))),  # simplex
        (6, 0.45, 90.0),  # octahedron
        (12, 0.590909, 63.434949),  # icosahedron
    ],
)
def test_energies_of_the_best_arrangements(points: int, energy: float, angle: float) -> None:
    found = spread(MHE(), points, 3, seed=0)
    assert found.loss == pytest.approx(energy, abs=1e-6)
    assert found.smallest_angle() == pytest.approx(angle, abs=1e-2)
    assert np.allclose(np.linalg.norm(found.points, axis=1), 1.0)


def test_half_space_spreads_lines() -> None:
    """Three lines become axes; six become the icosahedron's diagonals."""
    axes = spread(MHE(half_space=True), 3, 3, seed=0)
    assert axes.smallest_angle(opposite=True) == pytest.approx(90.0, abs=1e-3)
    diagonals = spread(MHE(half_space=True), 6, 3, seed=0)
    assert diagonals.loss == pytest.approx(0.590909, abs=1e-6)
    assert diagonals.smallest_angle(opposite=True) == pytest.approx(63.434949, abs=1e-2)


def test_orthonormal_rows_exist_up_to_the_dimension_only() -> None:
    assert spread(Orthonormal(squared=True), 3, 3, seed=0).loss == pytest.approx(0.0, abs=1e-8)
    # Ten rows in three dimensions: at best |WWᵀ − I|² = 10 − 3.
    found = spread(Orthonormal(squared=True), 10, 3, seed=0)
    assert found.loss == pytest.approx(7.0, abs=1e-8)


def test_the_best_start_is_kept_and_the_seed_decides() -> None:
    found = spread(MHE(), 6, 3, seed=1)
    assert found.loss == min(found.losses)
    assert len(found.losses) == 3
    assert np.array_equal(found.points, spread(MHE(), 6, 3, seed=1).points)
    assert not np.allclose(found.points, spread(MHE(), 6, 3, seed=2).points)


def test_angles_of_points_and_of_lines() -> None:
    angle = np.radians([0.0, 50.0, 170.0])
    points = Spread(np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.0, ())
    assert points.smallest_angle() == pytest.approx(50.0)
    assert points.smallest_angle(opposite=True) == pytest.approx(10.0)
