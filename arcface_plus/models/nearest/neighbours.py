"""The nearest other row of every row, by angle: exact, in blocks, without an n×n matrix."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arcface_plus.models.nearest.angles import angles_to
from arcface_plus.models.nearest.close_rows import search_close_rows
from arcface_plus.models.nearest.pair_search import nearest_of, search_all
from arcface_plus.models.nearest.rows import Directions, check_rows, directions, on_cpu
from arcface_plus.models.precision import at_least_float32, without_autocast

_SLOTS_OF_HALF, _TOLD_APART = 16, 4


class Neighbours(NamedTuple):
    """``row`` (n,) int64: the nearest other row, the lowest one where several are equally near.

    ``counted`` (n,) bool: false for zero rows, which have no direction (and for all rows, if fewer
    than two are nonzero). Such a row is never a neighbour, and its own ``row`` is itself.
    """

    row: Tensor
    counted: Tensor


class NearestAngles(NamedTuple):
    """Angle of every row to its nearest other row: radians (n,), detached; see ``Neighbours``."""

    angle: Tensor
    row: Tensor
    counted: Tensor

    def mean(self) -> Tensor:
        """Mean over the counted rows, radians; 0 if there are none."""
        return torch.where(self.counted, self.angle, 0.0).sum() / self.counted.sum().clamp(min=1)

    def smallest(self) -> Tensor:
        """Smallest over the counted rows, radians; pi if there are none."""
        return torch.where(self.counted, self.angle, torch.pi).min()

    def quantile(self, q: float) -> Tensor:
        """The angle below which a share ``q`` of the counted rows lies, radians; NaN if none."""
        angle = torch.where(self.counted, self.angle, torch.inf).sort().values
        last = (self.counted.sum() - 1).clamp(min=0)
        found = angle.take((q * last).round().long())
        return torch.where(self.counted.any(), found, torch.nan)


@torch.no_grad()
def nearest_angles(weight: Tensor) -> NearestAngles:
    """Angles between the rows of ``weight`` (n, d), n ≥ 2, and their nearest other rows.

    Exact; at least float32. No synchronization with a GPU.
    """
    weight = at_least_float32(weight.detach())
    row, counted = nearest_neighbours(weight)
    with without_autocast(weight):
        return NearestAngles(angles_to(weight, row), row, counted)


@torch.no_grad()
def nearest_neighbours(weight: Tensor, block: int | None = None) -> Neighbours:
    """The nearest other row, by angle, of each row of ``weight`` (n, d), n ≥ 2.

    On a CPU the search runs in float32, on a GPU in float16 with the best four compared again in
    float32; for float64 rows in float64. ``block``: side of a tile, a multiple of 32; by default
    chosen for the device. Raises ``ValueError`` for other shapes or dtypes. A row with NaN or inf
    gets an arbitrary index; callers recognize it by its angle, which is NaN.
    """
    check_rows(weight)
    weight = at_least_float32(weight.detach())
    with without_autocast(weight):
        known = directions(weight)
        if on_cpu(weight) or weight.dtype == torch.float64:
            found = search_all(known, 1, block)
            cosine, index = found.value.squeeze(1), found.index.squeeze(1)
        else:
            found = search_all(known, _SLOTS_OF_HALF, block)
            cosine, order = found.value.topk(_TOLD_APART, dim=1)
            cosine = cosine[:, 0]
            index, _ = nearest_of(known, found.index.gather(1, order).sort(dim=1).values)
        search_close_rows(weight, known.norms, cosine, index)
    return neighbours(known, index)


def neighbours(known: Directions, index: Tensor, some: Tensor | None = None) -> Neighbours:
    """``index`` (n,) for rows that count, else the row itself; ``some``: whether one was found."""
    counted = known.counted if some is None else known.counted & some
    own = torch.arange(len(index), device=index.device)
    return Neighbours(torch.where(counted, index, own), counted)
