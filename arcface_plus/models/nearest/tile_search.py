"""The best other rows of every row by dot product, tile by tile: no n×n matrix.

A search runs over square tiles of the matrix of products and keeps running maxima. Row j belongs to
slot j mod slots, and every row keeps its best partner in each slot: one slot finds the best
partner, several also find other good ones, without sorting. The search over all pairs visits the
upper triangle only and uses each tile for its rows and its columns: n²·d operations
(multiplications and additions), O(n·slots) memory. So does the search between two matrices, whose
results can be merged into those of a larger search.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.nearest.rows import on_cpu, row_blocks

GROUP = 32  # the number of slots divides it; tiles are padded to a multiple of it


class BySlot(NamedTuple):
    """``value`` (n, slots), in the dtype searched in, and ``index`` (n, slots) int64.

    The largest product with another row of that slot, and that row's number, the lowest of equal
    ones; −inf and the row's own number where a slot has no other row.
    """

    value: Tensor
    index: Tensor  # type: ignore[assignment]  # a tuple has a method of that name

    def part(self, rows: slice) -> BySlot:
        """A view of some rows."""
        return BySlot(self.value[rows], self.index[rows])

    def numbered_from(self, first: int) -> BySlot:
        """The same after the partners have been numbered from ``first`` instead of 0."""
        shift = first % self.value.shape[1]
        return BySlot(self.value.roll(shift, dims=1), (self.index + first).roll(shift, dims=1))

    def merge(self, other: BySlot) -> None:
        """Take what is better in ``other``, in place: the result does not depend on the order of
        merges."""
        larger = other.value > self.value
        equal = (other.value == self.value) & (other.value > -torch.inf)
        better = larger | (equal & (other.index < self.index))
        torch.where(better, other.value, self.value, out=self.value)
        torch.where(better, other.index, self.index, out=self.index)


def best_by_slot(unit: Tensor, penalty: Tensor | None, slots: int, block: int) -> BySlot:
    """Search all pairs of the rows of ``unit`` (n, d). No synchronization with a GPU.

    ``penalty`` (n,): added to every product with that row. ``block``: side of a tile, a multiple of
    32; ``slots``: a divisor of 32 (else ``ValueError``).
    """
    tile = _Tile((unit, penalty), (unit, penalty), slots, block)
    best = _nothing_yet(unit, slice(0, len(unit)), slots)
    blocks = list(row_blocks(len(unit), block))
    for number, rows in enumerate(blocks):
        for columns in blocks[number:]:
            products = tile.products(rows, columns)
            if rows != columns:
                _take_larger(best.part(columns), products.T, rows.start)
            _take_larger(best.part(rows), products, columns.start)
    return best


def best_of_rows(
    unit: Tensor, rows: slice, penalty: Tensor | None, slots: int, block: int
) -> BySlot:
    """The same for ``rows`` only, against all columns: 2·(rows)·n·d operations."""
    tile = _Tile((unit, penalty), (unit, penalty), slots, block)
    best = _nothing_yet(unit, rows, slots)
    for part in row_blocks(rows.stop - rows.start, block):
        these = slice(rows.start + part.start, rows.start + part.stop)
        for columns in row_blocks(len(unit), block):
            _take_larger(best.part(part), tile.products(these, columns), columns.start)
    return best


def best_between(
    unit: Tensor,
    penalty: Tensor | None,
    others: Tensor,
    other_penalty: Tensor | None,
    slots: int,
    block: int,
) -> tuple[BySlot, BySlot]:
    """The best of ``others`` (m, d) for each row of ``unit`` (n, d), and the reverse: 2·n·m·d
    operations. −inf and an arbitrary number where a slot has no row."""
    tile = _Tile((unit, penalty), (others, other_penalty), slots, block)
    here = _nothing_yet(unit, slice(0, len(unit)), slots)
    there = _nothing_yet(others, slice(0, len(others)), slots)
    for rows in row_blocks(len(unit), block):
        for columns in row_blocks(len(others), block):
            products = tile.products(rows, columns)
            _take_larger(there.part(columns), products.T, rows.start)
            _take_larger(here.part(rows), products, columns.start)
    return here, there


def best_among(
    unit: Tensor,
    penalty: Tensor | None,
    others: Tensor,
    other_penalty: Tensor | None,
    slots: int,
    block: int,
) -> BySlot:
    """The first half of ``best_between`` only."""
    tile = _Tile((unit, penalty), (others, other_penalty), slots, block)
    best = _nothing_yet(unit, slice(0, len(unit)), slots)
    for rows in row_blocks(len(unit), block):
        for columns in row_blocks(len(others), block):
            _take_larger(best.part(rows), tile.products(rows, columns), columns.start)
    return best


def _nothing_yet(unit: Tensor, rows: slice, slots: int) -> BySlot:
    own = torch.arange(rows.start, rows.stop, device=unit.device)
    value = unit.new_full((len(own), slots), -torch.inf)
    return BySlot(value, own.unsqueeze(1).repeat(1, slots))


Side = tuple[Tensor, Tensor | None]  # rows (n, d) and a penalty (n,)


class _Tile:
    """One buffer for all tiles; a tile is padded with −inf to a multiple of ``GROUP``."""

    def __init__(self, row_side: Side, column_side: Side, slots: int, block: int) -> None:
        if block < 1 or block % GROUP:
            raise ValueError(f"block must be a positive multiple of {GROUP}, not {block}")
        if slots < 1 or GROUP % slots:
            raise ValueError(f"slots must be a divisor of {GROUP}, not {slots}")
        self._row_unit, self._row_penalty = _alike(*row_side)
        self._column_unit, self._column_penalty = _alike(*column_side)
        self._same = self._row_unit is self._column_unit
        height = min(block, _filled(len(self._row_unit)))
        self._buffer = self._row_unit.new_empty(
            height * min(block, _filled(len(self._column_unit)))
        )

    def products(self, rows: slice, columns: slice) -> Tensor:
        """Products of ``rows`` and ``columns``, −inf between a row and itself."""
        count = (rows.stop - rows.start, columns.stop - columns.start)
        filled = (_filled(count[0]), _filled(count[1]))
        tile = self._buffer[: filled[0] * filled[1]].view(filled)
        products = tile[: count[0], : count[1]]
        torch.mm(
            _extended(self._row_unit[rows], filled[0]),
            _extended(self._column_unit[columns], filled[1]).T,
            out=tile,
        )
        if filled != count:
            tile[count[0] :].fill_(-torch.inf)
            tile[:, count[1] :].fill_(-torch.inf)
        if self._column_penalty is not None:
            products.add_(self._column_penalty[columns])
        if self._row_penalty is not None:
            products.add_(self._row_penalty[rows].unsqueeze(1))
        if self._same and rows.start < columns.stop and columns.start < rows.stop:
            products.diagonal(rows.start - columns.start).fill_(-torch.inf)
        return tile


def _alike(unit: Tensor, penalty: Tensor | None) -> Side:
    return unit, None if penalty is None else penalty.to(unit.dtype)


def _extended(unit: Tensor, length: int) -> Tensor:
    """With zero rows up to ``length``. Narrow products are summed in another order than wide ones:
    two rows would have another float32 cosine in a narrow tile, and identical rows in different
    tiles would not be equally near."""
    return unit if len(unit) == length else F.pad(unit, (0, 0, 0, length - len(unit)))


def _filled(count: int) -> int:
    return math.ceil(count / GROUP) * GROUP


def _take_larger(best: BySlot, tile: Tensor, start: int) -> None:
    """Update ``best`` (rows, slots) in place from a ``tile`` (at least rows, columns).

    Columns are numbered from ``start``. The tiles of a row come in ascending order, so that the
    strict comparison keeps the lowest index.
    """
    rows, slots = best.value.shape
    if on_cpu(tile):
        _take_larger_on_cpu(best, tile[:rows], start)
        return
    value, member = tile[:rows].unflatten(1, (-1, slots)).max(dim=1)
    index = member * slots + torch.arange(start, start + slots, device=tile.device)
    larger = value > best.value
    torch.where(larger, value, best.value, out=best.value)
    torch.where(larger, index, best.index, out=best.index)


def _take_larger_on_cpu(best: BySlot, tile: Tensor, start: int) -> None:
    """On a CPU, strided maxima are ten times as fast as maxima with positions, and after the first
    tiles few are larger: positions are searched for only these, each in a single group."""
    slots = best.value.shape[1]
    groups = tile.unflatten(1, (-1, GROUP))
    # Reduce a transposed tile in its memory order: strided reductions are slow.
    transposed = tile.stride(0) == 1
    maxima = groups.permute(2, 1, 0).amax(dim=1).T if transposed else groups.amax(dim=1)
    maxima = maxima.contiguous().unflatten(1, (-1, slots))
    value = maxima.amax(dim=1)
    row, slot = (value > best.value).nonzero(as_tuple=True)
    value = value[row, slot]
    candidates = maxima[row, :, slot]
    group = candidates.argmax(dim=1) * slots + slot
    index = groups[row, :, group].argmax(dim=1) * GROUP + group
    tied = (candidates == value.unsqueeze(1)).sum(dim=1) > 1  # the lowest index may be in another
    if bool(tied.any()):
        members = tile.unflatten(1, (-1, slots))[row[tied], :, slot[tied]]
        index[tied] = members.argmax(dim=1) * slots + slot[tied]
    best.value[row, slot] = value
    best.index[row, slot] = index + start
