"""MHE: minimize the energy of all pairs of rows of a weight matrix."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcface_plus.models.energies.pair_energy import PairEnergy
from arcface_plus.models.energies.pair_sum import PairSum
from arcface_plus.models.energies.sharded_pair_sum import ShardedPairSum
from arcface_plus.models.nearest.exchange import gathered
from arcface_plus.models.nearest.pair_search import full_precision_products
from arcface_plus.models.nearest.rows import check_rows, row_norms
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.regularizers.regularizer import Moment, Regularizer
from arcface_plus.models.shards import Shards

Distance = Literal["euclidean", "angular"]
Pairs = Literal["all", "batch"]


class MHE(Regularizer):
    """L(W) = mean over all pairs of rows i ≠ j of x^−s, or of −log x for s = 0.

    x is the distance |u_i − u_j| of the unit rows or their angle (radians), s the ``power``.
    "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, equations 1 and 4 (MHE), 5
    (A-MHE), 8 (``pairs="batch"``), 18 (``row_scales``), sections 3.4 (half space) and 3.6
    (``subset``). The Riesz-Fisher loss of "MMA Regularization", NeurIPS 2020 (equation 9), is the
    default; its logarithmic loss (equation 11) is ``power=0``.

    O(n·d) memory, n²·d operations; with shards of P processes a P-th of both on each. At least
    float32 with autocast off, sums in float64. The gradient is analytic. Below a distance of 10⁻³
    the energy is continued by its tangent, and identical rows part in a pseudo-random direction.
    (In float32 this overflows at identical rows for powers above 12.) Zero rows have no direction:
    they get no gradient and are left out of the mean. A row with NaN or inf makes the loss NaN. A
    single nonzero row has no gradient.

    Args:
        power: s ≥ 0. The mean over random rows of d dimensions is finite for s < d − 1 only.
        distance: "euclidean" or "angular".
        half_space: a row and its opposite count as one direction: the energy of the 2n rows
            [W; −W], divided by 2n(2n − 1). For hidden layers.
        subset: in (0, 1]; the mean over the pairs of a share of the rows, at least two, drawn anew
            in each step: unbiased. A function of the seed and the step.
        pairs: "batch": 1/(m(n − 1)) Σ over the m labels y of a batch and all rows j ≠ y: m·n pairs
            instead of n². Repeated labels count repeatedly. For class weights.
        row_scales: β of each row, above 0: the energy of |β_i·u_i − β_j·u_j|; none: all 1.
    """

    over_shards = True

    def __init__(
        self,
        power: Annotated[float, "s: energy 1/distance^s; 0: -log distance"] = 2.0,
        distance: Annotated[Distance, "between unit rows, or their angle"] = "euclidean",
        half_space: Annotated[bool, "a row and its opposite count as one direction"] = False,
        subset: Annotated[float, "share of the rows in each step"] = 1.0,
        pairs: Annotated[Pairs, "batch: only pairs of the batch's classes with others"] = "all",
        row_scales: Annotated[tuple[float, ...], "β of each row; []: all 1"] = (),
    ) -> None:
        super().__init__()
        if not 0.0 <= power < float("inf"):
            raise ValueError(f"power must be at least 0, not {power}")
        if distance not in get_args(Distance):
            raise ValueError(f"distance must be euclidean or angular, not '{distance}'")
        if not 0.0 < subset <= 1.0:
            raise ValueError(f"subset must be in (0, 1], not {subset}")
        if pairs not in get_args(Pairs):
            raise ValueError(f"pairs must be all or batch, not '{pairs}'")
        if pairs == "batch" and subset < 1.0:
            raise ValueError("subset must be 1 with pairs: batch, which is a subset already")
        if row_scales and distance == "angular":
            raise ValueError("row_scales must be empty with distance: angular, which ignores them")
        if not all(0.0 < scale < float("inf") for scale in row_scales):
            raise ValueError(f"row_scales must be above 0, not {list(row_scales)}")
        self.energy = PairEnergy(float(power), distance == "angular", half_space)
        self.subset, self.pairs, self.row_scales = float(subset), pairs, tuple(row_scales)
        self.needs_labels = pairs == "batch"
        self.needs_step = subset < 1.0
        self._floored: Tensor | None = None

    @torch.compiler.disable
    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """Weight (n, d), n ≥ 2, floating point → scalar; else ``ValueError``.

        On a GPU it waits for the numbers of zero rows and of close pairs, once a tile of 4,096².
        With ``shards``: see ``Regularizer``; all processes that hold a part must call it, with the
        same ``moment``.
        """
        shards = shards or Shards(len(weight))
        check_rows(weight, shards)
        if self.row_scales and len(self.row_scales) != shards.rows:
            raise ValueError(
                f"row_scales has {len(self.row_scales)} values for a matrix of {shards.rows} rows"
            )
        with without_autocast(weight):
            rows = self._rows(weight, shards, moment)
            labels = _labels(rows, shards.rows, moment) if self.needs_labels else None
            full = at_least_float32(weight)
            loss, self._floored = _Mean.apply(
                full, rows, shards, labels, self.energy, self.row_scales
            )
        return loss

    def report(self) -> dict[str, float]:
        """Pairs that were nearer than 10⁻³, if there were any; waits for a GPU."""
        floored = 0.0 if self._floored is None else float(self._floored)
        return {"floored_pairs": floored} if floored else {}

    def extra_repr(self) -> str:
        return f"power={self.energy.power:g}, angular={self.energy.angular}"

    def _rows(self, weight: Tensor, shards: Shards, moment: Moment | None) -> Tensor:
        """The rows (k,), ascending, that take part in this step, of all processes."""
        some = gathered(row_norms(weight.detach()) != 0.0, shards)
        if self.needs_step:
            if moment is None:
                raise ValueError("subset needs moment=Moment(seed, step): rows are drawn anew then")
            count = max(2, round(self.subset * shards.rows))
            drawn = np.random.default_rng((moment.seed, moment.step)).permutation(shards.rows)
            picked = torch.zeros(shards.rows, dtype=torch.bool)
            picked[torch.from_numpy(drawn[:count])] = True
            some &= picked.to(some.device)
        return some.nonzero().squeeze(1)


def _labels(rows: Tensor, count: int, moment: Moment | None) -> tuple[Tensor, Tensor]:
    """Positions in ``rows`` of the batch's labels that are there, and how often each occurs."""
    if moment is None or moment.labels is None:
        raise ValueError("pairs: batch needs moment=Moment(seed, step, labels)")
    labels = moment.labels.to(rows.device)
    times = torch.zeros(count, dtype=torch.int64, device=rows.device)
    times = times.index_add_(0, labels, torch.ones_like(labels))[rows]  # bincount would wait, too
    chosen = times.nonzero().squeeze(1)
    return chosen, times[chosen]


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        rows: Tensor,
        shards: Shards,
        labels: tuple[Tensor, Tensor] | None,
        energy: PairEnergy,
        row_scales: tuple[float, ...],
    ) -> tuple[Tensor, Tensor]:
        scales = None
        if row_scales:
            scales = torch.tensor(row_scales, dtype=torch.float64, device=weight.device)[rows]
        place = shards.place(rows)
        own = place[place >= 0]
        some = weight if len(own) == len(weight) else weight[own]
        differentiate = ctx.needs_input_grad[0]
        if shards.count == 1:
            pairs = PairSum(some, energy, scales, differentiate)
        else:
            pairs = ShardedPairSum(some, rows, shards, energy, scales, differentiate)
        with full_precision_products(weight.device):
            if labels is None:
                pairs.add_all_pairs()
            else:
                pairs.add_pairs_of(*labels)
        value, factor = _mean(pairs.value, len(rows), labels, energy, scales)
        if pairs.gradient is not None:
            gradient = torch.zeros_like(weight)
            for part, block in pairs.by_rows():
                gradient[own[part]] = block.mul_(factor).to(gradient.dtype)
            ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(pairs.floored)
        return value.to(weight.dtype), pairs.floored

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_loss, None, None, None, None, None


def _mean(
    total: Tensor,
    rows: int,
    labels: tuple[Tensor, Tensor] | None,
    energy: PairEnergy,
    scales: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The mean from the sum over unordered pairs, or over the pairs of the labels, and the factor
    of the latter in it. In half space a row's pair with its own opposite counts, too."""
    times = labels[1] if labels else torch.ones(rows, dtype=torch.int64, device=total.device)
    ordered = 1.0 if labels else 2.0
    others = 2 * rows - 1 if energy.half_space else rows - 1
    count = times.sum().double() * others
    factor = torch.where(count > 0, ordered / count.clamp(min=1.0), 0.0)
    own = total.new_zeros(())
    if energy.half_space:
        scales = (
            torch.ones(rows, dtype=total.dtype, device=total.device) if scales is None else scales
        )
        opposite = torch.full_like(scales, torch.pi) if energy.angular else 2.0 * scales
        each = energy.of_distance(opposite)[0]
        own = (times * (each[labels[0]] if labels else each)).sum() * (factor / ordered)
    return total * factor + own, factor
