"""Orthogonality of the directions of the rows of a weight matrix."""

from __future__ import annotations

from torch import Tensor

from arcface_plus.models.nearest.rows import check_rows
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.regularizers.regularizer import Moment, Regularizer
from arcface_plus.models.shards import Shards


class Orthogonal(Regularizer):
    """L(W) = ½ |ŴŴᵀ − I|²_F = ½ Σ over rows i ≠ j of cos²(i, j), Ŵ the rows divided by their norms.

    "MMA Regularization", NeurIPS 2020, equation 14 (its weight there: 1e-4), a sum and not a mean.
    At least 0, and at least ½·n(n − d)/d for n > d rows of d dimensions (Welch). Computed in
    float64 with autocast off, in n·d·min(n, d) operations, from whichever Gram matrix is smaller.
    Zero rows are left out; NaN gives NaN.
    """

    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """Weight (n, d), n ≥ 2, floating point → scalar; else ``ValueError``."""
        assert shards is None or shards.count == 1, "sums over shards are yet to come"
        check_rows(weight)
        with without_autocast(weight):
            rows = weight.double()
            norms = rows.norm(dim=1, keepdim=True)
            unit = rows / norms.masked_fill(norms == 0.0, 1.0)
            own = unit.square().sum(dim=1)  # 1, or 0 for a zero row: also what its gradient needs
            loss = (smaller_gram(unit).square().sum() - own.square().sum()) / 2.0
        return loss.to(at_least_float32(weight).dtype)


def smaller_gram(rows: Tensor) -> Tensor:
    """W·Wᵀ or Wᵀ·W: both have the same norm and trace, and nonzero eigenvalues."""
    return rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
