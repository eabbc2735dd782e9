"""No regularizer: plain ArcFace, plain softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.regularizers.regularizer import Moment, Regularizer
from arcface_plus.models.shards import Shards


class NoRegularizer(Regularizer):
    """Zero, and not part of the graph: the loss is bit-identical to one without it."""

    acts = False

    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """Weight (C, d) → 0, float32, without gradient."""
        return torch.zeros((), device=weight.device)
