"""The cosine loss: minimize the maximal cosine between the rows of a weight matrix."""

from __future__ import annotations

from torch import Tensor

from arcface_plus.models.regularizers.neighbour_loss import NeighbourLoss


class MaximalCosine(NeighbourLoss):
    """L(W) = mean over rows i of max over j ≠ i of the cosine between rows i and j.

    The loss that "MMA Regularization", NeurIPS 2020, compares MMA with (equation 5; also
    RegularFace, CVPR 2019). In [−1, 1]. The force between a pair is sin θ, which vanishes as its
    rows approach each other: the weakness that MMA removes. Parameters and modes: see
    ``NeighbourLoss``.
    """

    def term(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        return angle.cos(), -angle.sin()
