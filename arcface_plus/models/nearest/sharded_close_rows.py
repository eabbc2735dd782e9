"""Close rows in double precision, among the rows of all processes: see ``close_rows``."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from arcface_plus.models.nearest.close_rows import CLOSE_COSINE, TILE_ELEMENTS, nearest_few
from arcface_plus.models.nearest.exchange import Wanted
from arcface_plus.models.nearest.rows import row_blocks, row_norms, unit_rows
from arcface_plus.models.shards import Shards

_ROWS_AT_ONCE = 4096  # close rows on every process at the same time: 16 MB at 512 dimensions


def search_close_rows_of_shards(
    weight: Tensor, norms: Tensor, cosine: Tensor, index: Tensor, shards: Shards
) -> None:
    """Correct ``index`` (own rows,) in place for the rows close by their ``cosine`` (own rows,).

    Unlike ``search_close_rows`` it counts them on a GPU, too, since what is exchanged depends on
    their number, and searches all of them. Collective.
    """
    members = (cosine > CLOSE_COSINE).nonzero().squeeze(1)
    counts = torch.empty(shards.count, dtype=torch.int64)
    dist.all_gather_into_tensor(counts, torch.tensor([len(members)]))
    most = int(counts.max())
    if most == 0:
        return
    unit = unit_rows(weight, norms, members)
    best = _Best(members + shards.own.start, *_known(weight, unit, index[members], shards))
    for part in row_blocks(most, max(1, _ROWS_AT_ONCE // shards.count)):
        best.update(unit, *_everyones(unit[part], best.own[part], part, counts))
    index[members] = best.row


def _known(weight: Tensor, unit: Tensor, index: Tensor, shards: Shards) -> tuple[Tensor, Tensor]:
    """The nearest rows known so far and their distances, |u − v|²."""
    wanted = Wanted(index, shards)
    rows = wanted.fetch(weight)
    norms, distance = row_norms(rows), unit.new_empty(len(unit))
    for part in row_blocks(len(unit), 256):
        theirs = unit_rows(rows, norms, wanted.position[part])
        distance[part] = (theirs - unit[part]).square().sum(dim=1)
    return index, distance


def _everyones(unit: Tensor, numbers: Tensor, part: slice, counts: Tensor) -> tuple[Tensor, Tensor]:
    """A ``part`` of the close rows of each process, float64, and their numbers, ascending."""
    length = part.stop - part.start
    rows = unit.new_zeros(length, unit.shape[1])
    rows[: len(unit)] = unit
    own = numbers.new_full((length,), -1)
    own[: len(numbers)] = numbers
    every_row = unit.new_empty(len(counts) * length, unit.shape[1])
    every_number = numbers.new_empty(len(counts) * length)
    dist.all_gather_into_tensor(every_row, rows)
    dist.all_gather_into_tensor(every_number, own)
    filled = every_number >= 0
    return every_row[filled], every_number[filled]


class _Best(NamedTuple):
    """The nearest of some rows ``own`` (m,): ``row`` (m,) and |u − v|² (m,)."""

    own: Tensor
    row: Tensor
    distance: Tensor

    def update(self, unit: Tensor, others: Tensor, numbers: Tensor) -> None:
        """Compare the rows ``unit`` (m, d) with ``others`` (k, d), in place."""
        for rows in row_blocks(len(unit), max(1, TILE_ELEMENTS // len(numbers))):
            same = numbers == self.own[rows].unsqueeze(1)
            position, distance = nearest_few(unit[rows], others, same)
            found, known = numbers[position], self.distance[rows]
            nearer = (distance < known) | ((distance == known) & (found < self.row[rows]))
            self.row[rows] = torch.where(nearer, found, self.row[rows])
            self.distance[rows] = torch.where(nearer, distance, known)
