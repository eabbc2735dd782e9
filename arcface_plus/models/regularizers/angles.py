"""The angle from each row to one other row, stable from 0 to π, with its analytic gradient.

For unit rows u, v with δ = v − u, σ = v + u the angle is θ = 2·atan2(|δ|, |σ|), which keeps all
its digits where arccos(u·v) loses them (θ near 0 and near π). Its gradient pulls on both rows:
∂θ/∂w_i = −t_i/|w_i| and ∂θ/∂w_j = −t_j/|w_j|, where t_i, t_j are the unit tangents at u and v
along the arc that joins them; so its norm is 1/|w| (MMA Regularization, NeurIPS 2020, eq. 8).
All is computed in float64, block by block: that costs little beside the search for neighbours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcface_plus.models.regularizers.rows import (
    block_length,
    may_hold,
    row_blocks,
    row_norms,
    unit_rows,
)

_SAME = 1e-12  # radians; below it (and within it of π) the arc's direction is rounding noise


def angles_to(weight: Tensor, index: Tensor) -> Tensor:
    """Angles (n,), radians, between rows i and ``index[i]`` of ``weight`` (n, d); differentiable.

    float32 or float64, as ``weight``; no angle is differentiable twice. At the two angles where
    there is no gradient: for identical directions the two rows get opposite pseudo-random unit
    tangents, the same ones whenever the same two row numbers meet; for opposite ones zero.
    Zero rows and pairs (i, i) have angle 0; callers mask them.
    """
    return _AnglesTo.apply(weight, index)


class _AnglesTo(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, index: Tensor) -> Tensor:
        norms = row_norms(weight)
        angle = torch.empty(weight.shape[0], dtype=weight.dtype, device=weight.device)
        for rows in row_blocks(weight.shape[0], block_length(weight)):
            u = unit_rows(weight, norms, rows)
            v = unit_rows(weight, norms, index[rows])
            angle[rows] = 2.0 * torch.atan2(_norm(v - u), _norm(v + u))
        ctx.save_for_backward(weight, index, norms)
        return angle

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_angle: Tensor) -> tuple[Tensor, None]:
        weight, index, norms = ctx.saved_tensors
        grad = torch.zeros_like(weight)
        pull = -grad_angle.double()
        safe_norms = torch.where(norms == 0.0, 1.0, norms)
        for rows in row_blocks(weight.shape[0], block_length(weight)):
            others = index[rows]
            u, v = unit_rows(weight, norms, rows), unit_rows(weight, norms, others)
            at_u, at_v = _tangents(u, v, rows, others)
            at_u *= (pull[rows] / safe_norms[rows]).unsqueeze(1)
            at_v *= (pull[rows] / safe_norms[others]).unsqueeze(1)
            grad[rows] += at_u
            grad.index_add_(0, others, at_v.to(grad.dtype))
        return grad, None


def _norm(rows: Tensor) -> Tensor:
    return torch.linalg.vector_norm(rows, dim=1)


def _tangents(u: Tensor, v: Tensor, rows: slice, others: Tensor) -> tuple[Tensor, Tensor]:
    """Unit tangents at ``u`` towards ``v`` and at ``v`` towards ``u``.

    (v − cos θ·u)/sin θ, with v − cos θ·u = δ + (1 − cos θ)·u and 1 − cos θ = |δ|²/2, which is
    free of cancellation for near rows.
    """
    delta = v - u
    chord, cochord = _norm(delta), _norm(v + u)
    same, opposite = chord <= _SAME, cochord <= _SAME
    sine = torch.where(same | opposite, torch.inf, chord * cochord / 2.0).unsqueeze(1)
    lift = (chord.square() / 2.0).unsqueeze(1)
    at_u = torch.addcmul(delta, lift, u).div_(sine)
    at_v = torch.addcmul(-delta, lift, v).div_(sine)
    if may_hold(same):
        apart = _random_tangents(u, torch.arange(rows.start, rows.stop, device=u.device), others)
        at_u = torch.where(same.unsqueeze(1), apart, at_u)
        at_v = torch.where(same.unsqueeze(1), -apart, at_v)
    return at_u, at_v


def _random_tangents(u: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Unit tangents at ``u`` (n, d) that depend on nothing but the two row numbers.

    Swapping the numbers changes the sign, so that a mutual pair is pushed apart, not sideways.
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
