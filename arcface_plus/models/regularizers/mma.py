"""MMA: maximise the minimal angle between the rows of a weight matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.regularizers.angles import angles_to
from arcface_plus.models.regularizers.neighbours import NearestAngles, nearest_neighbours


class MMA(nn.Module):
    """L(W) = −mean over rows i of min over j ≠ i of the angle (radians) between rows i and j.

    "MMA Regularization: Decorrelating Weights of Neural Networks by Maximizing the Minimal
    Angles", NeurIPS 2020, equation 7. Exact, in blocks, O(n·d) memory, at least float32 with
    autocast off, and without synchronisation with a GPU. The gradient is analytic and two-sided:
    a row moves because of its nearest row and because of the rows whose nearest it is.

    Zero rows have no direction: they are nobody's neighbour, get no gradient and are left out of
    the mean. A row with NaN or inf makes the loss NaN.

    ``last``: what the latest forward pass found (``None`` before the first), for metrics.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last: NearestAngles | None = None

    @torch.compiler.disable
    def forward(self, weight: Tensor) -> Tensor:
        """Weight (n, d), n ≥ 2, floating point → scalar in [−π, 0]; else ``ValueError``."""
        row, counted = nearest_neighbours(weight)
        with without_autocast(weight):
            angle = angles_to(at_least_float32(weight), row)
            self.last = NearestAngles(angle.detach(), row, counted)
            return -self.last._replace(angle=angle).mean()

    def report(self) -> dict[str, float]:
        """What metrics.jsonl says of it beside the angles."""
        return {}
