"""The nearest other row of every row, by angle: exact, in blocks, without an n×n matrix.

Cosines are computed tile by tile over the upper triangle; each tile updates the running maxima of
its rows and of its columns, so n²·d operations do and memory stays O(n·d). Rows nearer than about
0.045 rad to another are searched once more among themselves in double precision: there a float32
cosine, flat at its top, cannot tell which of two neighbours is the nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.regularizers.angles import angles_to
from arcface_plus.models.regularizers.rows import (
    block_length,
    check_rows,
    may_hold,
    row_blocks,
    row_norms,
    unit_rows,
)

_CLOSE_COSINE = 1.0 - 1e-3
_CLOSE_ROWS_ON_GPU = 1024
_CLOSE_TILE_ELEMENTS = 2**22
_CLOSE_CANDIDATES = 4
_GROUP = 32
_ZERO_ROW_PENALTY = -8.0  # takes any cosine below −1, and unlike −inf never makes a NaN


class Neighbours(NamedTuple):
    """``row`` (n,) int64: the nearest other row, the lowest one where several are equally near.

    ``counted`` (n,) bool: false for zero rows, which have no direction (and for all rows, if fewer
    than two are non-zero); they are nobody's neighbour, and their own ``row`` is themselves.
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


@torch.no_grad()
def nearest_angles(weight: Tensor) -> NearestAngles:
    """Angles between the rows of ``weight`` (n, d), n ≥ 2, and their nearest other rows.

    Exact; at least float32. No synchronisation with a GPU.
    """
    weight = at_least_float32(weight.detach())
    row, counted = nearest_neighbours(weight)
    with without_autocast(weight):
        return NearestAngles(angles_to(weight, row), row, counted)


@torch.no_grad()
def nearest_neighbours(weight: Tensor, block: int | None = None) -> Neighbours:
    """The nearest other row, by angle, of each row of ``weight`` (n, d), n ≥ 2.

    The search runs in float32, or float64 for float64 rows. ``block``: side of a tile, a multiple
    of 32; by default what suits the device. Raises ``ValueError`` for other shapes or dtypes. A
    row that holds NaN or inf gets any index; its angle is NaN, which is how callers learn of it.
    """
    check_rows(weight)
    block = block_length(weight) if block is None else block
    if block < _GROUP or block % _GROUP:
        raise ValueError(f"block must be a positive multiple of {_GROUP}, not {block}")
    weight = at_least_float32(weight.detach())
    with without_autocast(weight), _full_precision_products(weight.device):
        norms = row_norms(weight)
        zero = norms == 0.0
        unit = torch.empty_like(weight)
        for rows in row_blocks(weight.shape[0], block):
            unit[rows] = unit_rows(weight, norms, rows)
        cosine, index = _search_tiles(unit, zero, block)
        _search_close_rows(weight, norms, cosine, index)
    counted = ~zero & ((~zero).sum() > 1)
    own = torch.arange(weight.shape[0], device=weight.device)
    return Neighbours(torch.where(counted, index, own), counted)


def _search_tiles(unit: Tensor, zero: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Largest cosine of each unit row with another, and that row's index."""
    count = unit.shape[0]
    best = unit.new_full((count,), -torch.inf)
    index = torch.arange(count, device=unit.device)
    penalty = torch.where(zero, _ZERO_ROW_PENALTY, 0.0).to(unit.dtype) if may_hold(zero) else None
    buffer = unit.new_empty(min(block, count) ** 2)
    blocks = list(row_blocks(count, block))
    for number, rows in enumerate(blocks):
        for columns in blocks[number:]:
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            tile = buffer[: shape[0] * shape[1]].view(shape)
            torch.mm(unit[rows], unit[columns].T, out=tile)
            if penalty is not None:
                tile.add_(penalty[columns]).add_(penalty[rows].unsqueeze(1))
            if rows == columns:
                tile.fill_diagonal_(-torch.inf)
            else:
                _update(best[columns], index[columns], *_column_maxima(tile), rows.start)
            _update(best[rows], index[rows], *tile.max(dim=1), columns.start)
    return best, index


def _update(best: Tensor, index: Tensor, value: Tensor, position: Tensor, offset: int) -> None:
    """Take ``value`` where it is larger. The tiles of a row come in ascending order of the other
    row, so that the strict comparison keeps the lowest index."""
    larger = value > best
    torch.where(larger, value, best, out=best)
    torch.where(larger, position + offset, index, out=index)


def _column_maxima(tile: Tensor) -> tuple[Tensor, Tensor]:
    """As ``tile.max(dim=0)`` for a multiple of 32 rows, ten times as fast on a CPU.

    Plain maxima over groups of rows vectorise; the position is then looked for in one group.
    """
    groups = tile.view(-1, _GROUP, tile.shape[1])
    value, group = groups.amax(dim=1).max(dim=0)
    members = groups.gather(0, group.expand(1, _GROUP, -1)).squeeze(0)
    return value, group * _GROUP + members.argmax(dim=0)


def _search_close_rows(weight: Tensor, norms: Tensor, cosine: Tensor, index: Tensor) -> None:
    """Correct ``index`` in place for the rows that have a close neighbour.

    Closeness is mutual, so that the nearest neighbour of such a row is among them.
    """
    close = cosine > _CLOSE_COSINE
    if not may_hold(close):
        return
    members = _close_rows(cosine, close)
    unit = unit_rows(weight, norms, members)
    for rows in row_blocks(len(members), max(1, _CLOSE_TILE_ELEMENTS // len(members))):
        own = members[rows]
        position, distance = _nearest_of_few(unit, rows)
        found, known = members[position], index[own]
        known_distance = (unit_rows(weight, norms, known) - unit[rows]).square().sum(dim=1)
        nearer = (distance < known_distance) | ((distance == known_distance) & (found < known))
        index[own] = torch.where(close[own] & nearer, found, known)


def _close_rows(cosine: Tensor, close: Tensor) -> Tensor:
    """The rows that are ``close``, ascending. On a GPU, where their number cannot be known without
    waiting for it, the 1,024 closest rows, whether close or not."""
    if close.device.type == "cpu":
        return close.nonzero().squeeze(1)
    return cosine.topk(min(_CLOSE_ROWS_ON_GPU, len(cosine))).indices.sort().values


def _nearest_of_few(unit: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Positions of the rows of ``unit`` (float64) nearest to ``unit[rows]``, and |u − v|².

    The best candidates by cosine are ranked by |u − v|², which is exact where all cosines are 1.
    """
    products = unit[rows] @ unit.T
    own = torch.arange(rows.start, rows.stop, device=unit.device).unsqueeze(1)
    products.scatter_(1, own, -torch.inf)
    candidates = products.topk(min(_CLOSE_CANDIDATES, unit.shape[0] - 1), dim=1).indices
    candidates = candidates.sort(dim=1).values
    distances = (unit[candidates] - unit[rows].unsqueeze(1)).square().sum(dim=2)
    distance, best = distances.min(dim=1, keepdim=True)
    return candidates.gather(1, best).squeeze(1), distance.squeeze(1)


@contextmanager
def _full_precision_products(device: torch.device) -> Iterator[None]:
    """float32 products as float32, also where the program allows TF32 or bf16 for its matmuls."""
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    allowed = backend.matmul.fp32_precision
    backend.matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        backend.matmul.fp32_precision = allowed
