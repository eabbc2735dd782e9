"""What is known about n points on a sphere as far apart as possible (the Tammes problem)."""

from __future__ import annotations

import math

import torch
from scipy.special import betaincinv
from torch import Tensor

_BEST_KNOWN = {
    (3, 24): 43.690768,  # snub cube, proven by Robinson, 1961
    (3, 30): 38.5971,  # Kottwitz, 1991, and Sloane's table
    (3, 130): 18.5,
    (4, 24): 60.0,  # 24-cell
    (4, 30): 54.3,
    (4, 120): 36.0,  # 600-cell
    (4, 130): 33.4,
    (4, 600): 19.8,
    (5, 30): 65.6,
    (5, 130): 43.8,
}
"""Degrees by (dimension, points). Those with one decimal are the "optimum" column of Table 1 of
"MMA Regularization", NeurIPS 2020: the best known, from Sloane's tables of spherical codes."""


def best_known_deg(dimension: int, points: int) -> float | None:
    """The largest smallest angle that anyone has reached, degrees; None if not known here."""
    if proven_deg(dimension, points) is not None:
        return proven_deg(dimension, points)
    return _BEST_KNOWN.get((dimension, points))


def upper_bound_deg(dimension: int, points: int) -> float:
    """No smallest angle between ``points`` directions is larger: degrees. Both at least 2."""
    proven = proven_deg(dimension, points)
    if proven is not None:
        return proven
    bounds = [90.0, _caps_bound(dimension, points)]
    if dimension == 3:
        bounds.append(_fejes_toth_bound(points))
    return min(bounds)


def proven_deg(dimension: int, points: int) -> float | None:
    """The solution where a formula gives it: on the circle, up to twice as many points as
    dimensions (simplex; orthoplex, Rankin 1955), and the icosahedron."""
    if points <= dimension + 1:
        return math.degrees(math.acos(-1.0 / (points - 1)))
    if dimension == 2:
        return 360.0 / points
    if points <= 2 * dimension:
        return 90.0
    return _fejes_toth_bound(12) if (dimension, points) == (3, 12) else None


def _fejes_toth_bound(points: int) -> float:
    """In three dimensions, n ≥ 3 (Fejes Tóth, 1943): tight for 3, 4, 6 and 12 points."""
    omega = points * math.pi / (6.0 * (points - 2))
    return math.degrees(math.acos((1.0 / math.tan(omega) ** 2 - 1.0) / 2.0))


def _caps_bound(dimension: int, points: int) -> float:
    """The caps of half the angle around all points fit on the sphere without overlap.

    A cap of radius φ ≤ 90° has the share ½·I(sin² φ; (D − 1)/2, ½) of the sphere.
    """
    square = betaincinv((dimension - 1) / 2.0, 0.5, min(1.0, 2.0 / points))
    return math.degrees(2.0 * math.asin(math.sqrt(square)))


def simplex(dimension: int, points: int) -> Tensor:
    """The regular simplex of ``points`` ≤ D + 1 unit rows: (points, D), float64."""
    assert 2 <= points <= dimension + 1
    centred = torch.eye(points, dtype=torch.float64) - 1.0 / points
    axes = torch.linalg.svd(centred).Vh[: points - 1]
    rows = torch.zeros(points, dimension, dtype=torch.float64)
    rows[:, : points - 1] = centred @ axes.T
    return rows / rows.norm(dim=1, keepdim=True)
