"""Searches for near rows: choice of precision and kernel, and the exact nearest of a few."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from arcface_plus.models.nearest import tile_search, triton_search
from arcface_plus.models.nearest.close_rows import search_close_rows
from arcface_plus.models.nearest.rows import Directions, may_hold, on_cpu, row_blocks
from arcface_plus.models.nearest.tile_search import BySlot

_ZERO_ROW_PENALTY = -8.0  # takes any cosine below −1, and unlike −inf never makes a NaN
SLOTS = tile_search.GROUP
SLOTS_OF_HALF, _TOLD_APART = 16, 4
_TRITON_ROWS_A_SLOT = 128  # its slots consist of whole tiles: with fewer rows some would be empty
_ROWS_AT_ONCE_ON_CPU = 128  # times 16 candidates of 512 dimensions: 4 MB
_ELEMENTS_AT_ONCE = 2**26


def tile_length(tensor: Tensor) -> int:
    """Side of a tile that fits the cache: 1,024² float32 on a CPU, 4,096² float16 on a GPU."""
    return 1024 if on_cpu(tensor) else 4096


def search_all(known: Directions, slots: int, block: int | None = None) -> BySlot:
    """The best partners of all rows by cosine: on a GPU in float16 unless the rows are float64."""
    unit, penalty = searchable(known), penalty_of(known.zero)
    with full_precision_products(unit.device):
        if len(unit) >= _TRITON_ROWS_A_SLOT * slots and triton_search.available(unit):
            return BySlot(*triton_search.best_by_slot(unit, penalty, slots))
        side = tile_length(unit) if block is None else block
        return tile_search.best_by_slot(unit, penalty, slots, side)


def search_rows(known: Directions, rows: slice, slots: int) -> BySlot:
    """The same for some rows, against all others."""
    unit, penalty = searchable(known), penalty_of(known.zero)
    with full_precision_products(unit.device):
        if len(unit) >= _TRITON_ROWS_A_SLOT * slots and triton_search.available(unit):
            found = triton_search.best_of_rows(unit, rows.start, rows.stop, penalty, slots)
            return BySlot(*found)
        return tile_search.best_of_rows(unit, rows, penalty, slots, tile_length(unit))


def candidates(known: Directions, count: int) -> Tensor:
    """``count`` (1 to 32) near rows of each row, and the nearest, ascending: (n, count + 1) int32.

    The nearest is that of an exact search, except among cosines that are equal in the precision of
    the search; the others are the best of their slots, nearly always the next nearest. Where there
    are too few other rows, the row's own number fills the list.
    """
    found = search_all(known, SLOTS)
    cosine, slot = found.value.max(dim=1)
    nearest = found.index.gather(1, slot.unsqueeze(1)).squeeze(1)
    search_close_rows(known.unit, torch.ones_like(known.norms), cosine, nearest)
    return listed(found, count, nearest)


def renewed(known: Directions, table: Tensor, rows: slice) -> Tensor:
    """New lists for ``rows`` of a ``table`` of candidates: (rows, count + 1).

    The nearest of the previous candidates stays: it may be one of several rows so close to each
    other that a search keeps only one of them.
    """
    found = search_rows(known, rows, SLOTS)
    nearest, _ = nearest_of(known, table[rows], rows.start)
    return listed(found, table.shape[1] - 1, nearest)


def listed(found: BySlot, count: int, nearest: Tensor) -> Tensor:
    """A table of candidates: the ``count`` best that were ``found``, and the ``nearest``."""
    best = found.value.topk(count, dim=1).indices
    table = torch.cat((found.index.gather(1, best), nearest.unsqueeze(1)), dim=1)
    return table.sort(dim=1).values.to(torch.int32)


def nearest_of(known: Directions, table: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
    """The nearest candidate by |u − v| of each row from ``first`` on, and whether there is one.

    ``table`` (m, k): their candidates. Exact to the rounding of the unit rows, 3e-8 rad in float32,
    at any angle; the lowest of equally near rows. Zero rows and the row itself do not count; a row
    without candidates gets its own number.
    """
    own = torch.arange(first, first + len(table), device=table.device)
    unit = known.unit[first : first + len(table)]
    return nearest_in_pool(unit, own, table, Pool(known.unit, known.zero, table))


def best_few(found: BySlot, within: float = torch.inf) -> tuple[Tensor, Tensor]:
    """The largest cosine of each row (n,), and the rows of the best four, ascending (n, 4), which
    float16 may have ranked wrongly. In place of those that are not ``within`` that cosine, the best
    is repeated."""
    cosine, order = found.value.topk(_TOLD_APART, dim=1)
    rows = found.index.gather(1, order)
    rows = torch.where(cosine < cosine[:, :1] - within, rows[:, :1], rows)
    return cosine[:, 0], rows.sort(dim=1).values


class Pool(NamedTuple):
    """Rows among which the candidates of others are."""

    unit: Tensor
    """(p, d)."""
    zero: Tensor
    """(p,) bool."""
    position: Tensor
    """(m, k): where the candidates of m rows are."""


def nearest_in_pool(unit: Tensor, own: Tensor, table: Tensor, pool: Pool) -> tuple[Tensor, Tensor]:
    """``nearest_of`` for the rows ``unit`` (m, d) with the numbers ``own`` (m,), whose candidates
    ``table`` (m, k) lie in ``pool``."""
    count, width = table.shape
    nearest = own.clone()
    some = torch.empty(count, dtype=torch.bool, device=table.device)
    dimensions = unit.shape[1]
    length = (
        _ROWS_AT_ONCE_ON_CPU if on_cpu(table) else max(1, _ELEMENTS_AT_ONCE // (width * dimensions))
    )
    buffer = unit.new_empty(min(length, count) * width, dimensions)
    for rows in row_blocks(count, length):
        others, numbers, position = table[rows], own[rows], pool.position[rows]
        gathered = torch.index_select(
            pool.unit, 0, position.flatten(), out=buffer[: others.numel()]
        ).view(*others.shape, dimensions)
        chord = torch.linalg.vector_norm(gathered.sub_(unit[rows].unsqueeze(1)), dim=2)
        unfit = pool.zero[position] | (others == numbers.unsqueeze(1))
        broken = chord.isnan().all(dim=1)  # no list is empty: a NaN row must reach the loss
        chord, best = chord.masked_fill_(unfit, torch.inf).min(dim=1, keepdim=True)
        some[rows] = (chord < torch.inf).squeeze(1) | chord.isnan().squeeze(1) | broken
        chosen = others.gather(1, best).squeeze(1).long()
        nearest[rows] = torch.where(some[rows], chosen, numbers)
    return nearest, some


def searchable(known: Directions) -> Tensor:
    """The unit rows in the precision of the search."""
    unit = known.unit
    return unit if on_cpu(unit) or unit.dtype == torch.float64 else unit.half()


def penalty_of(zero: Tensor) -> Tensor | None:
    """A term that keeps zero rows from being neighbours; None only if there are no zero rows."""
    return torch.where(zero, _ZERO_ROW_PENALTY, 0.0) if may_hold(zero) else None


@contextmanager
def full_precision_products(device: torch.device) -> Iterator[None]:
    """Compute float32 products in float32 even if the program allows TF32 or bf16 matmuls."""
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    allowed = backend.matmul.fp32_precision
    backend.matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        backend.matmul.fp32_precision = allowed
