"""The angle from each row to one other row, stable from 0 to π, with its analytic gradient.

For unit rows u, v with δ = v − u, σ = v + u the angle is θ = 2·atan2(|δ|, |σ|), which stays
accurate where arccos(u·v) does not (θ near 0 and near π). Its gradient acts on both rows:
∂θ/∂w_i = −t_i/|w_i| and ∂θ/∂w_j = −t_j/|w_j|, where t_i, t_j are the unit tangents at u and v
along the arc that joins them; so its norm is 1/|w| (MMA Regularization, NeurIPS 2020, eq. 8).
Everything is computed in float64, block by block: the cost is small next to the neighbour search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcface_plus.models.nearest.rows import (
    block_length,
    may_hold,
    on_cpu,
    row_blocks,
    row_norms,
    unit_rows,
)

Term = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Of angles (n,) in radians, float64: the term of each row and its derivative by the angle."""

_SAME_ON_GPU = 1024  # pairs per block
_SAME = 1e-12  # radians; below it (and within it of π) the arc's direction is rounding noise


@torch.no_grad()
def angles_to(weight: Tensor, index: Tensor) -> Tensor:
    """Angles (n,), radians, between rows i and ``index[i]`` of ``weight`` (n, d).

    float32 or float64, as ``weight``. Zero rows and pairs (i, i) have angle 0; callers mask them.
    """
    norms = row_norms(weight)
    angle = torch.empty(weight.shape[0], dtype=weight.dtype, device=weight.device)
    for rows in row_blocks(weight.shape[0], block_length(weight)):
        u = unit_rows(weight, norms, rows)
        v = unit_rows(weight, norms, index[rows])
        angle[rows] = 2.0 * torch.atan2(_norm(v - u), _norm(v + u))
    return angle


def mean_of_angles(
    weight: Tensor, index: Tensor, counted: Tensor, term: Term, ignore_below: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The mean of ``term(angle)`` over the ``counted`` rows, and the angles (n,) themselves.

    Differentiable in ``weight``, once; the angles are detached. Rows nearer than ``ignore_below``
    (radians) to ``index[i]`` are left out of the mean, too. 0 if no row is left. The gradient is
    computed with the value, since both need the same unit rows; the backward pass only scales it.
    It does not exist at two angles: for identical directions the two rows get opposite
    pseudo-random unit tangents, determined by the two row numbers; for opposite directions it is
    zero.
    """
    loss, angle = _MeanOfAngles.apply(weight, index, counted, term, ignore_below)
    return loss, angle


class _MeanOfAngles(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, index: Tensor, counted: Tensor, term: Term, ignore_below: float
    ) -> tuple[Tensor, Tensor]:
        norms = row_norms(weight)
        angle = torch.empty(weight.shape[0], dtype=weight.dtype, device=weight.device)
        total = torch.zeros((), dtype=torch.float64, device=weight.device)
        used = torch.zeros((), dtype=torch.int64, device=weight.device)
        grad = torch.zeros_like(weight) if ctx.needs_input_grad[0] else None
        for rows in row_blocks(weight.shape[0], block_length(weight)):
            others = index[rows]
            own = torch.arange(rows.start, rows.stop, device=weight.device)
            pairs = Pairs(
                unit_rows(weight, norms, rows), unit_rows(weight, norms, others), own, others
            )
            angle[rows] = pairs.angle.to(angle.dtype)
            value, pull, use = pairs.pull(counted[rows], term, ignore_below)
            total += value.sum()
            used += use.sum()
            if grad is not None:
                to_v, to_u = pairs.forces(pull, norms[rows], norms[others])
                grad[rows] += to_v
                grad.index_add_(0, others, to_u.to(grad.dtype))
        used = used.clamp(min=1)
        ctx.save_for_backward(grad, used)
        ctx.mark_non_differentiable(angle)
        return (total / used).to(weight.dtype), angle

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad, used = ctx.saved_tensors
        return grad * (grad_loss / used), None, None, None, None


class Pairs:
    """Rows u and v, each (n, d) of unit length, float64, that have the numbers ``own`` and
    ``others`` (n,) in their matrix."""

    def __init__(self, u: Tensor, v: Tensor, own: Tensor, others: Tensor) -> None:
        self._u, self._v, self._own, self._others = u, v, own, others
        self._delta = v - u
        self._chord, self._cochord = _norm(self._delta), _norm(v + u)
        self.angle = 2.0 * torch.atan2(self._chord, self._cochord)

    def pull(
        self, counted: Tensor, term: Term, ignore_below: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of each pair, (n,): its term, the force along the arc, and whether it is used at all
        (else the others are zero)."""
        value, slope = term(self.angle)
        # Not `angle >= ignore_below`, which is false for NaN: NaN must reach the sum.
        use = counted & ~(self.angle < ignore_below)
        return torch.where(use, value, 0.0), torch.where(use, -slope, 0.0), use

    def forces(self, pull: Tensor, norms: Tensor, other_norms: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients (n, d) of the rows that had these norms and became u and v. Call it last:
        it overwrites what it needs."""
        to_v, to_u, inverse = self._tangents()
        to_v *= (inverse * pull / _or_one(norms)).unsqueeze(1)
        to_u *= (inverse * pull / _or_one(other_norms)).unsqueeze(1)
        return to_v, to_u

    def _tangents(self) -> tuple[Tensor, Tensor, Tensor]:
        """Tangents at u towards v and at v towards u, and one over their length (n,).

        The unit tangent is (v − cos θ·u)/sin θ, with v − cos θ·u = δ + (1 − cos θ)·u and
        1 − cos θ = |δ|²/2, which avoids cancellation for close rows, and sin θ = |δ||σ|/2.
        """
        u, v, chord, cochord = self._u, self._v, self._chord, self._cochord
        same, opposite = chord <= _SAME, cochord <= _SAME
        inverse = torch.where(same | opposite, 0.0, 2.0 / (chord * cochord))
        lift = (chord.square() / 2.0).unsqueeze(1)
        to_v = torch.addcmul(self._delta, lift, u)
        to_u = torch.addcmul(self._delta.neg_(), lift, v)
        if may_hold(same):
            few = _nearest_pairs(same, chord)
            apart = random_tangents(u[few], self._own[few], self._others[few])
            here = same[few].unsqueeze(1)
            to_v[few] = torch.where(here, apart, to_v[few])
            to_u[few] = torch.where(here, -apart, to_u[few])
            inverse[few] = torch.where(same[few], 1.0, inverse[few])
        return to_v, to_u, inverse


def _or_one(norms: Tensor) -> Tensor:
    return torch.where(norms == 0.0, 1.0, norms)


def _norm(rows: Tensor) -> Tensor:
    return torch.linalg.vector_norm(rows, dim=1)


def _nearest_pairs(same: Tensor, chord: Tensor) -> Tensor:
    """The pairs that are the ``same``. On a GPU, where counting them would need a synchronization,
    the 1,024 nearest pairs: if more are identical, the rest is not moved in this step."""
    if on_cpu(same):
        return same.nonzero().squeeze(1)
    return chord.topk(min(_SAME_ON_GPU, len(chord)), largest=False).indices


def random_tangents(u: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Unit tangents at ``u`` (n, d) that depend only on the two row numbers.

    Swapping the numbers changes the sign, so that mutual neighbours are pushed apart, not sideways.
    """
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    pair = _mixed(_mixed(low) + high).unsqueeze(1)
    noise = _mixed(pair + torch.arange(u.shape[1], device=u.device))
    direction = (noise & 0xFFFFFF).to(u.dtype) / 0x800000 - 1.0
    direction -= (direction * u).sum(dim=1, keepdim=True) * u
    direction /= _norm(direction).clamp(min=1e-30).unsqueeze(1)
    return torch.where((first < second).unsqueeze(1), direction, -direction)


def _mixed(number: Tensor) -> Tensor:
    """A multiplicative hash of int64 (after Steele et al., SplitMix64); overflow wraps."""
    number = (number + 0x1E3779B97F4A7C15) * 0x3F58476D1CE4E5B9
    number = (number ^ (number >> 27)) * 0x14D049BB133111EB
    return number ^ (number >> 31)
