"""No regularizer: plain ArcFace, plain softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NoRegularizer(nn.Module):
    """Zero, and not part of the graph: the loss is bit-identical to one without it."""

    def forward(self, weight: Tensor) -> Tensor:
        """Weight (C, d) → 0, float32, without gradient."""
        return torch.zeros((), device=weight.device)

    def report(self) -> dict[str, float]:
        """Its entries in metrics.jsonl: none."""
        return {}
