"""The nearest other row of every row of a matrix whose parts are held by several processes.

Exact as in one process: parts of the rows, in the precision of the search, meet half the way round
a ring; every meeting gives the best partners of the rows on both sides. Rows are numbered as in the
whole matrix throughout, so that ties and everything drawn from row numbers do not depend on the
number of processes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.nearest.exchange import Wanted, gathered
from arcface_plus.models.nearest.pair_search import (
    SLOTS,
    SLOTS_OF_HALF,
    Pool,
    best_few,
    full_precision_products,
    listed,
    nearest_in_pool,
    penalty_of,
    searchable,
    tile_length,
)
from arcface_plus.models.nearest.results import Neighbours
from arcface_plus.models.nearest.ring import Meeting, Ring
from arcface_plus.models.nearest.rows import directions, on_cpu, row_blocks
from arcface_plus.models.nearest.sharded_close_rows import search_close_rows_of_shards
from arcface_plus.models.nearest.tile_search import (
    BySlot,
    best_among,
    best_between,
    best_by_slot,
    best_of_rows,
)
from arcface_plus.models.precision import at_least_float32
from arcface_plus.models.shards import Shards

_HALF_ERROR = 2.0**-8  # more than float16 can take two cosines apart: fetch no others
_ROWS_AT_ONCE = 4096  # whose candidates are fetched together: 17 of 512 dimensions are 143 MB


class ShardedSearch:
    """A ``Search`` in rows of which this process holds ``weight`` (own rows, d), maybe none.

    It waits for a GPU: how many rows are fetched from each process depends on their values.
    """

    def __init__(self, weight: Tensor, shards: Shards) -> None:
        self.weight = at_least_float32(weight.detach())
        self.known = directions(self.weight)
        self.shards = shards
        self._own = torch.arange(shards.own.start, shards.own.stop, device=weight.device)
        self._zero = gathered(self.known.zero, shards)
        self._unit, self._penalty = searchable(self.known), penalty_of(self._zero)
        self._counted = ~self.known.zero & ((~self._zero).sum() > 1)

    def nearest(self, block: int | None = None) -> Neighbours:
        if on_cpu(self.weight) or self.weight.dtype == torch.float64:
            found = self._search_all(1, block)
            cosine, index = found.value.squeeze(1), found.index.squeeze(1)
        else:
            cosine, few = best_few(self._search_all(SLOTS_OF_HALF, block), _HALF_ERROR)
            index, _ = self._nearest_of(few, slice(0, len(few)), self.shards.length)
        search_close_rows_of_shards(self.weight, self.known.norms, cosine, index, self.shards)
        return self._neighbours(index)

    def candidates(self, count: int) -> Tensor:
        found = self._search_all(SLOTS)
        cosine, slot = found.value.max(dim=1)
        nearest = found.index.gather(1, slot.unsqueeze(1)).squeeze(1)
        ones = torch.ones_like(self.known.norms)
        search_close_rows_of_shards(self.known.unit, ones, cosine, nearest, self.shards)
        return listed(found, count, nearest)

    def renew(self, table: Tensor, rows: slice) -> slice:
        own = self.shards.own
        mine = slice(*(min(max(row, own.start), own.stop) for row in (rows.start, rows.stop)))
        here = slice(mine.start - own.start, mine.stop - own.start)
        found = self._search_rows(rows, mine)
        nearest, _ = self._nearest_of(table[here], here, rows.stop - rows.start)
        table[here] = listed(found, table.shape[1] - 1, nearest)
        return here

    def nearest_of(self, table: Tensor) -> Neighbours:
        return self._neighbours(*self._nearest_of(table, slice(0, len(table)), self.shards.length))

    def _search_all(self, slots: int, block: int | None = None) -> BySlot:
        """The best partners of the own rows by cosine, in the precision of the search."""
        ring, first = Ring(self.shards.sizes, self.shards.rank), self.shards.own.start
        side = tile_length(self._unit) if block is None else block
        with full_precision_products(self._unit.device):
            meetings = ring.meetings(self._unit)
            own_penalty = self._penalty_of(next(meetings).rows)
            best = best_by_slot(self._unit, own_penalty, slots, side).numbered_from(first)
            for meeting in meetings:
                here, there = self._best_between(meeting, slots, side)
                best.part(meeting.own).merge(here)
                rows, found = ring.returned(meeting, *there)
                best.part(rows).merge(BySlot(*found))
        return best

    def _best_between(self, meeting: Meeting, slots: int, side: int) -> tuple[BySlot, BySlot]:
        first = self.shards.own.start
        own = slice(first + meeting.own.start, first + meeting.own.stop)
        here, there = best_between(
            self._unit[meeting.own],
            self._penalty_of(own),
            meeting.block,
            self._penalty_of(meeting.rows),
            slots,
            side,
        )
        return here.numbered_from(meeting.rows.start), there.numbered_from(own.start)

    def _search_rows(self, rows: slice, mine: slice) -> BySlot:
        """The best partners of ``mine``, this process's share of some ``rows`` of the matrix: every
        process searches for all of them among its own."""
        wanted = Wanted(torch.arange(rows.start, rows.stop, device=self._unit.device), self.shards)
        unit, own, side = wanted.fetch(self._unit), self.shards.own, tile_length(self._unit)

        def among_own(some: slice) -> BySlot:
            these = unit[some.start - rows.start : some.stop - rows.start]
            penalties = self._penalty_of(some), self._penalty_of(own)
            return best_among(these, penalties[0], self._unit, penalties[1], SLOTS, side)

        with full_precision_products(unit.device):
            here = slice(mine.start - own.start, mine.stop - own.start)
            parts = [
                among_own(slice(rows.start, mine.start)),
                best_of_rows(self._unit, here, self._penalty_of(own), SLOTS, side),
                among_own(slice(mine.stop, rows.stop)),
            ]
        found = BySlot(
            torch.cat([part.value for part in parts]), torch.cat([part.index for part in parts])
        ).numbered_from(own.start)
        best = parts[1].numbered_from(own.start)
        length = len(best.value)
        values, indices = wanted.give_back(found.value), wanted.give_back(found.index)
        for start in range(0, len(values), max(1, length)):
            part = slice(start, start + length)
            best.merge(BySlot(values[part], indices[part]))
        return best

    def _nearest_of(self, table: Tensor, rows: slice, most: int) -> tuple[Tensor, Tensor]:
        """The nearest candidate of own ``rows``, numbered from 0, and whether there is one.

        ``most``: a number of rows that no process exceeds.
        """
        unit, own = self.known.unit[rows], self._own[rows]
        nearest, some = own.clone(), torch.empty_like(own, dtype=torch.bool)
        for part in row_blocks(most, _ROWS_AT_ONCE):
            few = table[part]
            wanted = Wanted(few, self.shards)
            zero = self._zero[wanted.rows]
            pool = Pool(wanted.fetch(self.known.unit), zero, wanted.position)
            nearest[part], some[part] = nearest_in_pool(unit[part], own[part], few, pool)
        return nearest, some

    def _neighbours(self, index: Tensor, some: Tensor | None = None) -> Neighbours:
        counted = self._counted if some is None else self._counted & some
        return Neighbours(torch.where(counted, index, self._own), counted)

    def _penalty_of(self, rows: slice) -> Tensor | None:
        return None if self._penalty is None else self._penalty[rows]
