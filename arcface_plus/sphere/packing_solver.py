"""The best packing of points on a sphere that can be found from a start.

First the Riesz energy with growing powers, whose limit is the Tammes problem, then a sequence of
linear programs that maximize the smallest angle itself: over small tangential moves of the points,
minimize the largest cosine of the linearized pairs that are near it. A point found so is a local
optimum to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_matrix
from torch import Tensor

from arcface_plus.models.energies.pair_energy import PairEnergy
from arcface_plus.models.energies.pair_sum import PairSum
from arcface_plus.sphere.packings import simplex
from arcface_plus.sphere.tammes import unit

Array = NDArray[np.float64]

Progress = Callable[[int, int], None]

_POWERS = (2.0, 8.0, 24.0, 72.0, 200.0)
_STEPS_OF_A_POWER = 200
_PROGRAMS = 100
_FIRST_MOVE, _LAST_MOVE = 0.02, 1e-11  # largest coordinate of a move
_PAIRS_A_POINT = 8  # pairs in a linear program
_FEW = 150  # points up to which random starts are tried, too
_STARTS_A_POINT, _MOST_STARTS = 2, 40  # few points have few local optima
_POINTS_TO_FINISH, _FEWEST_TO_FINISH = 1000, 6  # of the starts that get linear programs


def best_packing(start: Tensor, seed: int, progress: Progress = lambda done, total: None) -> Tensor:
    """The best unit rows (n, D), float64, found from ``start`` and from random rows by ``seed``.

    For few points, up to 40 random starts are spread, and the best of all are finished.
    The regular simplex, exactly, for n ≤ D + 1.
    """
    points, dimension = start.shape
    if points <= dimension + 1:
        return simplex(dimension, points)
    generator = torch.Generator().manual_seed(seed)
    others = min(_MOST_STARTS, _STARTS_A_POINT * points) if points <= _FEW else 0
    to_finish = min(others + 1, max(_FEWEST_TO_FINISH, _POINTS_TO_FINISH // points))
    total = others + 1 + to_finish
    progress(0, total)
    spread = [_spread(start)]
    for _ in range(others):
        progress(len(spread), total)
        rows = torch.randn(start.shape, generator=generator, dtype=torch.float64)
        spread.append(_spread(rows))
    spread.sort(key=lambda rows: _largest_cosine(rows.numpy()))
    best = spread[0]
    for number, rows in enumerate(spread[:to_finish]):
        progress(others + 1 + number, total)
        best = _further_apart(best, _finished(rows))
    progress(total, total)
    return best


def improved(rows: Tensor) -> Tensor:
    """Unit rows (n, D), float64, at least as far apart as ``rows``."""
    return _finished(_spread(rows))


def _spread(rows: Tensor) -> Tensor:
    """By energies of growing powers: near a local optimum, in a second or less for 130 points."""
    best = unit(rows)
    for power in _POWERS:
        best = _further_apart(best, _low_energy(best, power))
    return best


def _finished(rows: Tensor) -> Tensor:
    """The local optimum near ``rows``, by linear programs: ten seconds for 130 points in 5-D."""
    return _further_apart(rows, torch.from_numpy(_maximized(rows.numpy().copy())))


def _further_apart(one: Tensor, other: Tensor) -> Tensor:
    return other if _largest_cosine(other.numpy()) < _largest_cosine(one.numpy()) else one


def _low_energy(rows: Tensor, power: float) -> Tensor:
    """A minimum of the Riesz energy near ``rows``.

    Its logarithm is minimized, with distances relative to the smallest: both keep high powers
    within the range of numbers.
    """
    scale = float(torch.pdist(rows).min().clamp(min=1e-3))
    energy = PairEnergy(power)

    def objective(flat: Array) -> tuple[float, Array]:
        weight = torch.from_numpy(flat.reshape(rows.shape))
        pairs = PairSum(weight, energy)
        pairs.add_all_pairs()
        gradient = torch.cat([block for _, block in pairs.by_rows()])
        value = pairs.value
        logarithm = (value.log() / power).item() + np.log(scale)
        return logarithm, (gradient / (power * value)).numpy().ravel().copy()

    found = minimize(
        objective, rows.numpy().ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": _STEPS_OF_A_POWER},
    )  # fmt: skip
    return unit(torch.from_numpy(found.x.reshape(rows.shape)))


def _maximized(rows: Array) -> Array:
    """Linear programs with a trust region: halved where the true cosine does not follow."""
    move, cosine = _FIRST_MOVE, _largest_cosine(rows)
    for _ in range(_PROGRAMS):
        if move < _LAST_MOVE:
            break
        step = _best_move(rows, move)
        if step is None:
            move /= 4.0
            continue
        moved = rows + step
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        reached = _largest_cosine(moved)
        if reached < cosine:
            rows, cosine = moved, reached
        else:
            move /= 4.0
    return rows


def _best_move(rows: Array, move: float) -> Array | None:
    """The move (n, D), tangential and in a box of ±``move``, with the smallest linearized largest
    cosine; None if the program has no solution."""
    n, d = rows.shape
    first, second, cosines = _near_pairs(rows, move)
    pairs = len(first)
    lines, at = np.arange(pairs).repeat(d), np.arange(d)
    columns = np.concatenate(
        [(first[:, None] * d + at).ravel(), (second[:, None] * d + at).ravel(),
         np.full(pairs, n * d)]
    )  # fmt: skip
    values = np.concatenate([rows[second].ravel(), rows[first].ravel(), np.full(pairs, -1.0)])
    numbers = np.concatenate([lines, lines, np.arange(pairs)])
    near = csr_matrix((values, (numbers, columns)), shape=(pairs, n * d + 1))
    own = np.arange(n).repeat(d)
    tangential = csr_matrix((rows.ravel(), (own, np.arange(n * d))), shape=(n, n * d + 1))
    cost = np.zeros(n * d + 1)
    cost[-1] = 1.0
    bounds = [(-move, move)] * (n * d) + [(-1.0, 1.0)]
    solved = linprog(
        cost, A_ub=near, b_ub=-cosines, A_eq=tangential, b_eq=np.zeros(n), bounds=bounds,
        method="highs",
    )  # fmt: skip
    return solved.x[:-1].reshape(n, d) if solved.success else None


def _near_pairs(rows: Array, move: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """The pairs that a move may make the nearest, but no more than 8 a point, and cosines."""
    n, d = rows.shape
    first, second = np.triu_indices(n, 1)
    cosine = (rows @ rows.T)[first, second]
    # A move of both rows by `move` in every coordinate changes an angle by at most this.
    nearest_angle = np.arccos(np.clip(cosine.max(), -1.0, 1.0))
    reach = np.cos(min(nearest_angle + 4.0 * move * np.sqrt(d), np.pi))
    limit = int(min(len(cosine), _PAIRS_A_POINT * n))
    nearest = np.argpartition(-cosine, limit - 1)[:limit]
    kept = nearest[cosine[nearest] >= reach]
    return first[kept], second[kept], cosine[kept]


def _largest_cosine(rows: Array) -> float:
    products = rows @ rows.T
    np.fill_diagonal(products, -1.0)
    return float(products.max())
