"""How strong a regularizer is beside the data loss, on the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


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


@torch.no_grad()
def influence(layers: Sequence[tuple[Tensor, Tensor, Sequence[Tensor]]]) -> Influence:
    """Of each layer: the weight with its ``.grad``, the term's gradient, and those of all terms."""
    norms: list[list[Tensor]] = [[], [], []]
    for weight, own, every in layers:
        data = torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for pull in every:
            data -= pull
        for of, tensor in zip(norms, (own, data, weight), strict=True):
            of.append(torch.linalg.vector_norm(tensor, dtype=torch.float64))
    return Influence(*(torch.stack(of).norm() for of in norms))
