"""KoLeo: spread the rows of a weight matrix by maximizing their differential entropy."""

from __future__ import annotations

from torch import Tensor

from arcface_plus.models.regularizers.neighbour_loss import NeighbourLoss

_NEAREST = 1e-3  # distance below which the force stops growing


class KoLeo(NeighbourLoss):
    """L(W) = −mean over rows i of log |u_i − u_j|, u_j the nearest other unit row.

    The Kozachenko-Leonenko estimator of entropy, "Spreading vectors for similarity search", ICLR
    2019, equation 3. The force between a pair is ½·cot(θ/2), stronger for closer rows; below a
    distance of 10⁻³ the logarithm is continued by its tangent, so that identical rows are pushed
    apart by a force of 1,000 instead of an infinite one. Parameters and modes: see
    ``NeighbourLoss``.
    """

    def term(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        distance = 2.0 * (angle / 2.0).sin()
        bounded = distance.clamp(min=_NEAREST)
        value = -bounded.log() + (bounded - distance) / _NEAREST
        return value, -(angle / 2.0).cos() / bounded
