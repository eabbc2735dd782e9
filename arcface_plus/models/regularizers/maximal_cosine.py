"""The cosine loss: minimise the maximal cosine between the rows of a weight matrix."""

from __future__ import annotations

from torch import Tensor

from arcface_plus.models.regularizers.neighbour_loss import NeighbourLoss


class MaximalCosine(NeighbourLoss):
    """L(W) = mean over rows i of max over j ≠ i of the cosine between rows i and j.

    The rival that MMA is compared with in "MMA Regularization", NeurIPS 2020, equation 5 (also
    RegularFace, CVPR 2019). In [−1, 1]. A pair pulls with the force sin θ, so hardly any more the
    nearer its rows are, and not at all for identical ones: that is MMA's point. Parameters and
    modes: see ``NeighbourLoss``.
    """

    def term(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        return angle.cos(), -angle.sin()
