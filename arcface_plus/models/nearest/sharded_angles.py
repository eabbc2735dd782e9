"""Angles from this process's rows to rows of other processes, and their gradients.

The nearest rows are fetched from their holders, each once for several thousand rows, and what pulls
at them is sent back there. Formulas and conventions: see ``angles``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcface_plus.models.nearest.angles import Pairs, Term
from arcface_plus.models.nearest.exchange import Wanted, summed
from arcface_plus.models.nearest.rows import block_length, row_blocks, row_norms, unit_rows
from arcface_plus.models.shards import Shards

_ROWS_AT_ONCE = 8192  # whose nearest rows are fetched together, as often on every process


@torch.no_grad()
def angles_of_shard(weight: Tensor, index: Tensor, shards: Shards) -> Tensor:
    """Angles (own rows,), radians, between this process's rows, ``weight``, and the rows
    ``index`` of the whole matrix. Collective."""
    angle = weight.new_empty(len(weight))
    for fetched in _fetched(weight, row_norms(weight), index, shards):
        for rows, pairs, _ in fetched.blocks():
            angle[rows] = pairs.angle.to(angle.dtype)
    return angle


def mean_of_angles_of_shards(
    weight: Tensor,
    index: Tensor,
    counted: Tensor,
    term: Term,
    ignore_below: float,
    shards: Shards,
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean of ``term(angle)`` over the ``counted`` rows of all processes, the angles of this
    process's rows, and how many counted rows there are that are nearer than ``ignore_below``.

    See ``mean_of_angles``. The mean has the same bits on every process. Its gradient is that of
    this process's rows, with what the rows of others contribute, added up in float64 and rounded
    once. Collective in the forward pass, which computes the gradient.
    """
    loss, angle, ignored = _MeanOfShards.apply(weight, index, counted, term, ignore_below, shards)
    return loss, angle, ignored


class _MeanOfShards(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        index: Tensor,
        counted: Tensor,
        term: Term,
        ignore_below: float,
        shards: Shards,
    ) -> tuple[Tensor, Tensor, Tensor]:
        norms = row_norms(weight)
        angle = weight.new_empty(len(weight))
        sums = torch.zeros(3, dtype=torch.float64, device=weight.device)
        grad = torch.zeros_like(weight, dtype=torch.float64) if ctx.needs_input_grad[0] else None
        for fetched in _fetched(weight, norms, index, shards):
            back = torch.zeros_like(fetched.theirs, dtype=torch.float64)
            for rows, pairs, position in fetched.blocks():
                angle[rows] = pairs.angle.to(angle.dtype)
                value, pull, use = pairs.pull(counted[rows], term, ignore_below)
                sums += torch.stack((value.sum(), use.sum(), (counted[rows] & ~use).sum()))
                if grad is not None:
                    other_norms = fetched.their_norms[position]
                    to_v, to_u = pairs.forces(pull, norms[rows], other_norms)
                    grad[rows] += to_v
                    back.index_add_(0, position, to_u)
            if grad is not None:
                grad.index_add_(0, fetched.wanted.served, fetched.wanted.give_back(back))
        total, used, ignored = summed(sums, shards)
        used = used.clamp(min=1.0)
        ctx.save_for_backward(None if grad is None else grad.to(weight.dtype), used)
        ctx.mark_non_differentiable(angle, ignored)
        return (total / used).to(weight.dtype), angle, ignored

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grad, used = ctx.saved_tensors
        return grad * (grad_loss / used), None, None, None, None, None


class _Fetched(NamedTuple):
    """Some of this process's rows, and the rows that they need."""

    part: slice
    weight: Tensor
    norms: Tensor
    others: Tensor
    first: int
    wanted: Wanted
    theirs: Tensor
    """The wanted rows (u, d) as they are in their matrix."""
    their_norms: Tensor

    def blocks(self) -> Iterator[tuple[slice, Pairs, Tensor]]:
        """Rows, numbered from 0; each with its other; where this is in ``theirs``."""
        for block in row_blocks(len(self.others[self.part]), block_length(self.weight)):
            rows = slice(self.part.start + block.start, self.part.start + block.stop)
            position = self.wanted.position[block]
            own = torch.arange(rows.start, rows.stop, device=self.weight.device) + self.first
            u = unit_rows(self.weight, self.norms, rows)
            v = unit_rows(self.theirs, self.their_norms, position)
            yield rows, Pairs(u, v, own, self.others[rows]), position


def _fetched(weight: Tensor, norms: Tensor, index: Tensor, shards: Shards) -> Iterator[_Fetched]:
    """The rows ``index`` for all own rows, some after the other."""
    for part in row_blocks(shards.length, _ROWS_AT_ONCE):
        wanted = Wanted(index[part], shards)
        theirs = wanted.fetch(weight)
        first = shards.own.start
        yield _Fetched(part, weight, norms, index, first, wanted, theirs, row_norms(theirs))
