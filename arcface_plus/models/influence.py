"""How strong a regularizer is beside the data loss, on the same weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from arcface_plus.models.collectives import sum_


class Influence(NamedTuple):
    """Norms over all weights of a term's layers together: float64 scalars, on the device."""

    term: Tensor
    """Of the gradient of the weighted term."""
    data: Tensor
    """Of the gradient of the loss without any regularizer (and without weight decay)."""
    weights: Tensor
    """Of the weights themselves."""

    @property
    def ratio(self) -> Tensor:
        """Gradient of the term over that of the data loss; NaN where both are 0."""
        return self.term / self.data


class Pulled(NamedTuple):
    """A layer on which a term acts."""

    weight: Tensor
    """With its gradient."""
    own: Tensor
    """The gradient of the term alone."""
    every: Sequence[Tensor]
    """The gradients of all terms on this layer."""
    sharded: bool = False
    """Whether other processes have other rows of the weight."""


@torch.no_grad()
def influence(layers: Sequence[Pulled]) -> Influence:
    """Of a term on all its layers; a collective call if one is sharded."""
    norms: list[list[Tensor]] = [[], [], []]
    for layer in layers:
        weight = layer.weight
        data = torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for pull in layer.every:
            data -= pull
        for of, tensor in zip(norms, (layer.own, data, weight), strict=True):
            norm = torch.linalg.vector_norm(tensor, dtype=torch.float64)
            of.append(sum_(norm.square()).sqrt() if layer.sharded else norm)
    return Influence(*(torch.stack(of).norm() for of in norms))


def averaged(ratio: float, classes: int, batch: int) -> float:
    """``Influence.ratio`` of one step on class weights → that of the gradients averaged over steps.

    In one step only about ``batch`` of ``classes`` rows have an image of their own, while the term
    acts on all: the norm of the loss's gradient over all rows is then √(classes / batch) times as
    large as that of its average (docs/evidence.md). Without the other classes' push.
    """
    return ratio * math.sqrt(max(1.0, classes / batch))
