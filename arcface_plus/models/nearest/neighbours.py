"""The nearest other row of every row, by angle: exact, in blocks, without an n×n matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.nearest.angles import angles_to
from arcface_plus.models.nearest.results import NearestAngles, Neighbours
from arcface_plus.models.nearest.rows import check_rows
from arcface_plus.models.nearest.search import search_in
from arcface_plus.models.nearest.sharded_angles import angles_of_shard
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.shards import Shards


@torch.no_grad()
def nearest_angles(weight: Tensor, shards: Shards | None = None) -> NearestAngles:
    """Angles between the rows of ``weight`` (n, d), n ≥ 2, and their nearest other rows.

    Exact; at least float32. No synchronization with a GPU. With ``shards``, ``weight`` is this
    process's part of the rows, and every process gets the angles of all rows: all must call it.
    """
    shards = shards or Shards(len(weight))
    return angles_at(weight, nearest_neighbours(weight, shards=shards), shards)


@torch.no_grad()
def nearest_neighbours(
    weight: Tensor, block: int | None = None, shards: Shards | None = None
) -> Neighbours:
    """The nearest other row, by angle, of each row of ``weight`` (n, d), n ≥ 2.

    On a CPU the search runs in float32, on a GPU in float16 with the best four compared again in
    float32; for float64 rows in float64. ``block``: side of a tile, a multiple of 32; by default
    chosen for the device. Raises ``ValueError`` for other shapes or dtypes. A row with NaN or inf
    gets an arbitrary index; callers recognize it by its angle, which is NaN. With ``shards``,
    ``weight`` and the result are this process's part of the rows: all processes must call it.
    """
    shards = shards or Shards(len(weight))
    check_rows(weight, shards)
    with without_autocast(weight):
        return search_in(weight, shards).nearest(block)


def angles_at(weight: Tensor, found: Neighbours, shards: Shards) -> NearestAngles:
    """The angles to the rows that were ``found`` for this process's rows: of all rows."""
    weight = at_least_float32(weight.detach())
    with without_autocast(weight):
        angle = (
            angles_to(weight, found.row)
            if shards.count == 1
            else angles_of_shard(weight, found.row, shards)
        )
    return NearestAngles(angle, *found).gathered(shards)
