"""The toy figures: what each panel minimizes, and what is known of the result."""

from __future__ import annotations

import json

import numpy as np

from arcface_plus.models.regularizers import MHE
from arcface_plus.sphere.toys import DIMENSIONS, FIGURES, POINTS, panels


def naive_energy(points: np.ndarray, scales: np.ndarray) -> float:
    """Mean of |β_i·u_i − β_j·u_j|^−2 over ordered pairs (equation 18)."""
    scaled = points * scales[:, None]
    pairs = [
        1 / np.sum((scaled[i] - scaled[j]) ** 2)
        for i in range(POINTS)
        for j in range(POINTS)
        if i != j
    ]
    return float(np.mean(pairs))


def test_figure_1() -> None:
    orthonormal, mhe, half = panels("mhe_figure_1", seed=0)
    assert [p.toy.title for p in (orthonormal, mhe, half)] == [
        "orthonormal", "MHE", "half-space MHE"
    ]  # fmt: skip
    # The orthonormal one leaves points where they crowd; half space alone keeps opposites apart.
    assert orthonormal.found.smallest_angle() < 40 < 64 < mhe.found.smallest_angle()
    assert half.found.smallest_angle(opposite=True) > 45
    assert mhe.found.smallest_angle(opposite=True) < 1
    assert mhe.found.loss < naive_energy(orthonormal.found.points, np.ones(POINTS))


def test_weights_of_figures_5_and_6() -> None:
    for figure, heavy in (("mhe_figure_5", 1), ("mhe_figure_6", 2)):
        toys = FIGURES[figure]
        assert [toy.title for toy in toys] == ["β = 1", "β = 2", "β = 4", "β = 10"]
        for toy, weight in zip(toys, (1, 2, 4, 10), strict=True):
            assert isinstance(toy.regularizer, MHE)
            assert toy.heavy == heavy
            assert toy.regularizer.row_scales == (weight,) * heavy + (1,) * (POINTS - heavy)


def test_a_panel_as_json() -> None:
    first = next(panels("mhe_figure_5", seed=0))
    written = json.loads(json.dumps(first.to_json(), allow_nan=False))
    points = np.array(written["points"])
    assert points.shape == (POINTS, DIMENSIONS)
    assert abs(written["loss"] - naive_energy(points, np.ones(POINTS))) < 1e-9
    assert written["smallest_angle_deg"] == first.found.smallest_angle()
    assert written["heavy_points"] == 1
