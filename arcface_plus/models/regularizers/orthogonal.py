"""Orthogonality of the directions of the rows of a weight matrix."""

from __future__ import annotations

from torch import Tensor

from arcface_plus.models.collectives import gather_for_repeated_work, sum_for_repeated_work
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

    over_shards = True

    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """Weight (n, d), n ≥ 2, floating point → scalar; else ``ValueError``."""
        shards = shards or Shards(len(weight))
        check_rows(weight, shards)
        with without_autocast(weight):
            rows = weight.double()
            norms = rows.norm(dim=1, keepdim=True)
            unit = rows / norms.masked_fill(norms == 0.0, 1.0)
            own = unit.square().sum(dim=1)  # 1, or 0 for a zero row: also what its gradient needs
            diagonal = sum_over_shards(own.square().sum(), shards)
            loss = (smaller_gram(unit, shards).square().sum() - diagonal) / 2.0
        return loss.to(at_least_float32(weight).dtype)


def smaller_gram(rows: Tensor, shards: Shards) -> Tensor:
    """W·Wᵀ or Wᵀ·W: both have the same norm and trace, and nonzero eigenvalues.

    ``rows``: this process's part of W. The result is that of the whole W, on every process, and
    what is computed from it alike on all has the right gradient by each part. For n > d processes
    add up their d×d matrices; else W itself, which is no larger, goes to all of them.
    """
    if shards.rows > rows.shape[1]:
        return sum_over_shards(rows.T @ rows, shards)
    if shards.count > 1:
        rows = gather_for_repeated_work(rows, shards.sizes)
    return rows @ rows.T


def sum_over_shards(value: Tensor, shards: Shards) -> Tensor:
    """The sum over processes, from which all compute the same."""
    return value if shards.count == 1 else sum_for_repeated_work(value)
