"""Known packings and bounds against the literature's numbers."""

from __future__ import annotations

import math

import pytest
import torch

from arcface_plus.sphere.packings import best_known_deg, proven_deg, simplex, upper_bound_deg


@pytest.mark.parametrize(
    ("dimension", "points", "degrees"),
    [(3, 4, 109.4712), (4, 5, 104.4775), (5, 6, 101.5370), (5, 2, 180.0), (2, 3, 120.0),
     (3, 5, 90.0), (3, 6, 90.0), (4, 8, 90.0), (3, 12, 63.4349), (2, 7, 360 / 7)],
)  # fmt: skip
def test_proven(dimension: int, points: int, degrees: float) -> None:
    assert proven_deg(dimension, points) == pytest.approx(degrees, abs=1e-4)
    assert best_known_deg(dimension, points) == proven_deg(dimension, points)
    assert upper_bound_deg(dimension, points) == proven_deg(dimension, points)


@pytest.mark.parametrize(
    ("dimension", "points", "bound"),
    [(3, 30, 39.97), (3, 130, 19.16), (4, 30, 63.09), (4, 130, 38.21), (4, 600, 22.84),
     (5, 30, 77.29), (5, 130, 52.48)],
)  # fmt: skip
def test_bounds(dimension: int, points: int, bound: float) -> None:
    assert upper_bound_deg(dimension, points) == pytest.approx(bound, abs=6e-3)
    known = best_known_deg(dimension, points)
    assert known is not None
    assert known < bound


def test_what_is_not_known_here() -> None:
    assert best_known_deg(7, 100) is None
    assert proven_deg(7, 100) is None
    assert upper_bound_deg(7, 15) <= 90.0


@pytest.mark.parametrize(("dimension", "points"), [(2, 2), (3, 4), (9, 4), (6, 7)])
def test_the_simplex(dimension: int, points: int) -> None:
    rows = simplex(dimension, points)
    assert rows.shape == (points, dimension)
    cosines = rows @ rows.T
    expected = torch.full_like(cosines, -1.0 / (points - 1)).fill_diagonal_(1.0)
    torch.testing.assert_close(cosines, expected)
    degrees = math.degrees(math.acos(float(cosines[0, 1].clamp(-1, 1))))
    assert degrees == pytest.approx(upper_bound_deg(dimension, points), abs=1e-5)
