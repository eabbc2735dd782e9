"""MMA: maximize the minimal angle between the rows of a weight matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.regularizers.neighbour_loss import NeighbourLoss


class MMA(NeighbourLoss):
    """L(W) = −mean over rows i of min over j ≠ i of the angle (radians) between rows i and j.

    "MMA Regularization: Decorrelating Weights of Neural Networks by Maximizing the Minimal
    Angles", NeurIPS 2020, equation 6. In [−π, 0]. The force on a row is 1/|w| at any angle
    (equation 8). Parameters and modes: see ``NeighbourLoss``.
    """

    def term(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        return -angle, torch.full_like(angle, -1.0)
