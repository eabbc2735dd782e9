"""Searches in the rows of one matrix, held by one process or by several."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from arcface_plus.models.nearest.close_rows import search_close_rows
from arcface_plus.models.nearest.pair_search import (
    SLOTS_OF_HALF,
    best_few,
    candidates,
    nearest_of,
    renewed,
    search_all,
)
from arcface_plus.models.nearest.results import Neighbours
from arcface_plus.models.nearest.rows import Directions, directions, on_cpu
from arcface_plus.models.nearest.sharded_search import ShardedSearch
from arcface_plus.models.precision import at_least_float32
from arcface_plus.models.shards import Shards


class Search(Protocol):
    """Finds partners of this process's rows in a matrix as it is when the search is made.

    All its methods must be called by all processes that hold a part of the matrix. Row numbers are
    those of the whole matrix.
    """

    known: Directions
    """This process's rows."""
    shards: Shards
    """Which they are."""

    def nearest(self, block: int | None = None) -> Neighbours:
        """The nearest row of each row, exact; ``block``: see ``nearest_neighbours``."""
        ...

    def candidates(self, count: int) -> Tensor:
        """Near rows of each row: see ``pair_search.candidates``."""
        ...

    def renew(self, table: Tensor, rows: slice) -> slice:
        """Put new candidates of ``rows`` into this process's ``table``. Returns where."""
        ...

    def nearest_of(self, table: Tensor) -> Neighbours:
        """The nearest of each row's candidates, exact."""
        ...


class WholeSearch:
    """Of a matrix that this process holds whole."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = at_least_float32(weight.detach())
        self.known = directions(self.weight)
        self.shards = Shards(len(weight))

    def nearest(self, block: int | None = None) -> Neighbours:
        known = self.known
        if on_cpu(self.weight) or self.weight.dtype == torch.float64:
            found = search_all(known, 1, block)
            cosine, index = found.value.squeeze(1), found.index.squeeze(1)
        else:
            cosine, few = best_few(search_all(known, SLOTS_OF_HALF, block))
            index, _ = nearest_of(known, few)
        search_close_rows(self.weight, known.norms, cosine, index)
        return self._neighbours(index)

    def candidates(self, count: int) -> Tensor:
        return candidates(self.known, count)

    def renew(self, table: Tensor, rows: slice) -> slice:
        table[rows] = renewed(self.known, table, rows)
        return rows

    def nearest_of(self, table: Tensor) -> Neighbours:
        return self._neighbours(*nearest_of(self.known, table))

    def _neighbours(self, index: Tensor, some: Tensor | None = None) -> Neighbours:
        """``index`` (n,) for rows that count, else the row itself; ``some``: whether one was
        found."""
        counted = self.known.counted if some is None else self.known.counted & some
        own = torch.arange(len(index), device=index.device)
        return Neighbours(torch.where(counted, index, own), counted)


def search_in(weight: Tensor, shards: Shards) -> Search:
    """A search in a matrix of which ``weight`` is this process's part; collective if shared."""
    return WholeSearch(weight) if shards.count == 1 else ShardedSearch(weight, shards)
