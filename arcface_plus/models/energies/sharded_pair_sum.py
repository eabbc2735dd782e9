"""Sums over all pairs of rows of a matrix whose parts are held by several processes.

For all pairs the parts meet half the way round a ring, and what a meeting gives for the rows of the
other process goes home to it. For the pairs of a batch's classes, their rows go to all processes,
each of which takes their pairs with its own rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.collectives import gather_rows, own_part, sum_
from arcface_plus.models.energies.pair_energy import PairEnergy
from arcface_plus.models.energies.pair_sum import PairSum
from arcface_plus.models.nearest.exchange import summed
from arcface_plus.models.nearest.ring import Ring
from arcface_plus.models.shards import Shards


class ShardedPairSum(PairSum):
    """A ``PairSum`` over ``rows`` (k,), ascending, of a matrix of which processes hold ``shards``.

    ``weight`` (own rows, d): those of ``rows`` that this process holds, maybe none. ``scales``
    (k,): of all. ``add_all_pairs`` and ``add_pairs_of`` are collective, and to be called once:
    ``value`` and ``floored`` then are those of all pairs, the same bits on every process, and
    ``gradient`` is that of all pairs by this process's rows. Rows count as in ``rows`` throughout,
    so that the number of processes does not matter. O(n·d) memory of the rows of one process (and
    of the chosen rows). It waits for a GPU: how many rows each process has must be known.
    """

    def __init__(
        self,
        weight: Tensor,
        rows: Tensor,
        shards: Shards,
        energy: PairEnergy,
        scales: Tensor | None = None,
        differentiate: bool = True,
    ) -> None:
        self._rows, self._shards, self._scales_of_all = rows, shards, scales
        self._sizes = self._held(rows)
        self._first = sum(self._sizes[: shards.rank])
        own = torch.arange(self._first, self._first + len(weight), device=weight.device)
        super().__init__(weight, energy, self._scales_of(own), differentiate, own)

    def add_all_pairs(self, block: int | None = None) -> None:
        ring = Ring(self._sizes, self._shards.rank)
        meetings = ring.meetings(self._weight)
        next(meetings)
        super().add_all_pairs(block)  # while the next part is on its way
        for meeting in meetings:
            numbers = torch.arange(
                meeting.rows.start, meeting.rows.stop, device=self._weight.device
            )
            pairs, first = self._with(meeting.own, meeting.block, numbers), meeting.own.stop
            pairs.add_pairs_between(first, block)
            self._take_sums(pairs)
            if self.gradient is not None and pairs.gradient is not None:
                self.gradient[meeting.own] += pairs.gradient[:first]
                own, (found,) = ring.returned(meeting, pairs.gradient[first:])
                self.gradient[own] += found
        self._sum_over_processes()

    def add_pairs_of(self, chosen: Tensor, times: Tensor, block: int | None = None) -> None:
        """``chosen`` (k,), ascending, and ``times``: the same on every process."""
        if len(chosen) == 0:
            return
        sizes, first = self._held(self._rows[chosen]), len(self._weight)
        own = own_part(chosen, sizes) - self._first
        pairs = self._with(slice(None), gather_rows(self._weight[own], sizes), chosen)
        positions = torch.arange(first, first + len(chosen), device=chosen.device)
        pairs.add_pairs_with(first, positions, times, block)
        self._take_sums(pairs)
        if self.gradient is not None and pairs.gradient is not None:
            self.gradient += pairs.gradient[:first]
            self.gradient[own] += own_part(sum_(pairs.gradient[first:]), sizes)
        self._sum_over_processes()

    def _with(self, own: slice, others: Tensor, numbers: Tensor) -> PairSum:
        """Some of this process's rows and, after them, rows of other processes."""
        numbers = torch.cat((self._numbers[own], numbers))
        return PairSum(
            torch.cat((self._weight[own], others)),
            self._energy,
            self._scales_of(numbers),
            self.gradient is not None,
            numbers,
        )

    def _held(self, rows: Tensor) -> list[int]:
        """How many of some rows each process holds."""
        holders = torch.bincount(self._shards.owner(rows), minlength=self._shards.count)
        sizes: list[int] = holders.tolist()
        return sizes

    def _scales_of(self, numbers: Tensor) -> Tensor | None:
        return None if self._scales_of_all is None else self._scales_of_all[numbers]

    def _take_sums(self, pairs: PairSum) -> None:
        self.value += pairs.value
        self.floored += pairs.floored

    def _sum_over_processes(self) -> None:
        self.value = summed(self.value, self._shards)
        self.floored = summed(self.floored, self._shards)
