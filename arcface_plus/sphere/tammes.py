"""The Tammes problem solved by minimizing a regularizer, as in "MMA Regularization" (section 4).

The paper: standard normal start, SGD with momentum 0.9 and learning rate 0.1, divided by 5 when the
loss stagnates, 10,000 steps. It does not say what stagnation is; here it is no improvement by more
than a relative 1e-4 in 500 steps, and no rate is below 1e-8. The last iterate counts; float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from arcface_plus.models.regularizers import Moment, Regularizer, nearest_angles

_PATIENCE, _THRESHOLD, _FACTOR, _SLOWEST = 500, 1e-4, 5.0, 1e-8
_CALLS = 100  # of `progress` in a descent


@dataclass(frozen=True)
class Descent:
    """How to descend; ``renormalize``: scale rows to length 1 after each step, which the paper
    does not do. (Without it a row that comes near another once grows, and then hardly turns.)"""

    steps: int = 10_000
    rate: float = 0.1
    momentum: float = 0.9
    renormalize: bool = False


class Stagnation:
    """Divides a rate by 5 whenever the loss has not improved for 500 steps."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._best, self._since = math.inf, 0

    def after(self, loss: float) -> None:
        # Losses may be negative: an improvement is relative to their absolute value.
        if math.isinf(self._best) or loss < self._best - _THRESHOLD * abs(self._best):
            self._best, self._since = loss, 0
            return
        self._since += 1
        if self._since > _PATIENCE:
            self.rate, self._since = max(self.rate / _FACTOR, _SLOWEST), 0


def descend(
    dimension: int,
    points: int,
    regularizer: Regularizer,
    seed: int,
    how: Descent | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """The unit rows (points, D), float64, at which the descent from this seed ends."""
    how = how or Descent()
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(points, dimension, generator=generator, dtype=torch.float64)
    rows.requires_grad_()
    optimizer = torch.optim.SGD([rows], lr=how.rate, momentum=how.momentum)
    stagnation = Stagnation(how.rate)
    for step in range(how.steps):
        moment = {"moment": Moment(seed, step)} if regularizer.needs_step else {}
        loss = regularizer(rows, **moment)
        (rows.grad,) = torch.autograd.grad(loss, rows)
        optimizer.param_groups[0]["lr"] = stagnation.rate
        optimizer.step()
        if how.renormalize:
            with torch.no_grad():
                rows /= rows.norm(dim=1, keepdim=True)
        stagnation.after(loss.item())
        if step % max(1, how.steps // _CALLS) == 0:
            progress(step, how.steps)
    progress(how.steps, how.steps)
    return unit(rows.detach())


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def smallest_angle_deg(rows: Tensor) -> float:
    """Between any two rows, degrees."""
    return math.degrees(float(nearest_angles(rows).smallest()))
