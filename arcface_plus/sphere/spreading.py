"""Minimize a regularizer over a few points: what it does when nothing else pulls at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from arcface_plus.models.regularizers import Regularizer

_ITERATIONS = 400


@dataclass(frozen=True, eq=False)
class Spread:
    """The best of several starts.

    points: (n, d) float64 unit rows; loss: the regularizer's value there; losses: of every start.
    """

    points: NDArray[np.float64]
    loss: float
    losses: tuple[float, ...]

    def smallest_angle(self, opposite: bool = False) -> float:
        """Between two points, in degrees; with `opposite` between two lines through the origin."""
        cosines = self.points @ self.points.T
        np.fill_diagonal(cosines, -1.0)
        if opposite:
            cosines = np.abs(cosines)
            np.fill_diagonal(cosines, -1.0)
        return float(np.degrees(np.arccos(np.clip(cosines.max(), -1.0, 1.0))))


def spread(
    regularizer: Regularizer, points: int, dimensions: int, seed: int, starts: int = 3
) -> Spread:
    """Minimize the regularizer from several standard normal starts, by L-BFGS in float64."""
    results = [_descend(regularizer, _start(points, dimensions, seed, k)) for k in range(starts)]
    losses = [loss for _, loss in results]
    best, loss = results[int(np.argmin(losses))]
    return Spread(F.normalize(best).numpy(), loss, tuple(losses))


def _start(points: int, dimensions: int, seed: int, start: int) -> Tensor:
    generator = np.random.default_rng((seed, start))
    return torch.from_numpy(generator.normal(size=(points, dimensions)))


def _descend(regularizer: Callable[[Tensor], Tensor], weight: Tensor) -> tuple[Tensor, float]:
    weight.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight], max_iter=_ITERATIONS, tolerance_grad=1e-8, tolerance_change=1e-13,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = regularizer(weight)
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        return weight.detach(), float(regularizer(weight))
