"""``margin_cross_entropy`` with the classes split over processes.

Each process compares the embeddings of all processes with its own classes, in one (N, C / P)
buffer. All that the softmax needs of the other processes is two numbers an embedding: one
all-reduce of maxima, one of sums.

PLSC, Partial FC and arcface_torch split the classes the same way (An et al., "Partial FC", 2021,
section 3.1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arcface_plus.models.collectives import largest_, sum_
from arcface_plus.models.heads.margin_head import MarginHead
from arcface_plus.models.margin_cross_entropy import OneBuffer, chunks, margin_and_slopes
from arcface_plus.models.precision import without_autocast


def sharded_cross_entropy(
    embeddings: Tensor,
    weight: Tensor,
    place: Tensor,
    head: MarginHead,
    norms: Tensor | None = None,
    step: int = 0,
) -> tuple[Tensor, Tensor]:
    """Mean cross entropy and accuracy of all embeddings, equal on each process; a collective call.

    ``embeddings`` (N, d): those of all processes. ``weight`` (c, d), c ≥ 0: this process's classes.
    Unit rows, both float32 or both float64. ``place`` (N,) int64: of each embedding's class the row
    in ``weight``, or -1 where another process holds it. ``norms`` (N,): of the embeddings before,
    for heads that use them. Otherwise like ``margin_cross_entropy``.

    The gradient of ``embeddings`` is that through this process's classes, to be summed over the
    processes; those of ``weight`` and of ``norms`` are complete.
    """
    with without_autocast(embeddings):
        loss, accuracy = _ShardedCrossEntropy.apply(embeddings, weight, norms, place, head, step)
    return loss, accuracy


class _ShardedCrossEntropy(OneBuffer):
    @staticmethod
    def forward(
        ctx: Any,
        embeddings: Tensor,
        weight: Tensor,
        norms: Tensor | None,
        place: Tensor,
        head: MarginHead,
        step: int,
    ) -> tuple[Tensor, Tensor]:
        buffer = torch.mm(embeddings, weight.T)
        labelled = _Labelled(place, buffer)
        # Of each embedding: the largest logit of the other classes and the labelled cosine.
        lowest = torch.finfo(buffer.dtype).min
        known = buffer.new_full((2, len(buffer), 1), lowest)
        known[1] = labelled.read(buffer, lowest)
        others = _exponentials_(buffer, labelled, head.scale, known[0])
        here = known[0].clone()
        largest, cosine = largest_(known)
        shifted, slope, by_norm = margin_and_slopes(head, cosine, norms, step)
        bare, target = cosine * head.scale, shifted * head.scale
        top = torch.maximum(largest, target)
        rescale = (here - top).exp()
        others = sum_(others * rescale)
        total = others + (target - top).exp()
        loss = torch.where(target >= largest, others.log1p(), total.log() + (top - target))
        factor = head.scale / len(buffer)
        pull = -others / total * factor
        buffer.mul_(rescale / total * factor)
        labelled.write_(buffer, pull * slope)
        if by_norm is not None:
            by_norm = (by_norm * pull).squeeze(1)
        ctx.save_for_backward(embeddings, weight, buffer, by_norm)
        accuracy = (bare > largest).to(loss.dtype).mean()
        ctx.mark_non_differentiable(accuracy)
        return loss.mean(), accuracy


class _Labelled:
    """The entries of a buffer (N, c) that belong to labelled classes, where this process has them.

    Without indices whose number depends on values: those would make a GPU wait.
    """

    def __init__(self, place: Tensor, buffer: Tensor) -> None:
        self._here = (place >= 0).unsqueeze(1)
        self._index = place.clamp(min=0).unsqueeze(1)
        self._any = buffer.shape[1] > 0

    def read(self, buffer: Tensor, otherwise: float) -> Tensor:
        """(N, 1): the entries, ``otherwise`` in rows without one."""
        if not self._any:
            return buffer.new_full((len(buffer), 1), otherwise)
        return buffer.gather(1, self._index).masked_fill(~self._here, otherwise)

    def write_(self, buffer: Tensor, value: Tensor, rows: slice = slice(None)) -> None:
        """Set the entries to ``value`` (N, 1), of ``rows`` only."""
        if self._any:
            index, here = self._index[rows], self._here[rows]
            kept = buffer.gather(1, index)
            buffer.scatter_(1, index, torch.where(here, value, kept))


def _exponentials_(buffer: Tensor, labelled: _Labelled, scale: float, largest: Tensor) -> Tensor:
    """Turn cosines (N, c), in place, into exp(logit − largest of the row), labelled ones into 0.

    ``largest`` (N, 1) is set to the largest logit of the other classes, and stays if there is none.
    Returns the rows' sums (N, 1).
    """
    total = torch.zeros_like(largest)
    if buffer.shape[1] == 0:
        return total
    nothing = buffer.new_full((), -torch.inf)
    for rows in chunks(buffer):
        logits = buffer[rows].mul_(scale)
        labelled.write_(logits, nothing, rows)
        largest[rows] = torch.maximum(largest[rows], logits.amax(dim=1, keepdim=True))
        total[rows] = logits.sub_(largest[rows]).exp_().sum(dim=1, keepdim=True)
    return total
