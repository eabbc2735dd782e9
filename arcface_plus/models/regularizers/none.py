"""No regulariser: plain ArcFace, plain softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NoRegularizer(nn.Module):
    """Zero, and no part of the graph: a loss without it and one with it have the same bits."""

    def forward(self, weight: Tensor) -> Tensor:
        """Weight (C, d) → 0, float32, without gradient."""
        return torch.zeros((), device=weight.device)

    def report(self) -> dict[str, float]:
        """What metrics.jsonl says of it: nothing."""
        return {}
