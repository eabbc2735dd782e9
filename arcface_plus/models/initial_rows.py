"""Initial class weights: the same ones however many processes hold them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arcface_plus.models.shards import Shards

_BLOCK = 2**22  # numbers drawn at once: 16 MB
_GROUP = 16  # torch draws normal numbers on a CPU in groups of 16, and fewer in another way


def normal_rows(shards: Shards, columns: int, std: float) -> Tensor:
    """This process's rows of a (``shards.rows``, ``columns``) float32 matrix of normal numbers.

    The bits are those of ``nn.init.normal_`` on the whole matrix, and torch's generator is then in
    the same state: every process draws all rows, block by block, and keeps its own. A draw for each
    process from the same seed would give all of them equal rows.
    """
    own = shards.own
    kept = torch.empty(own.stop - own.start, columns)
    for block in _blocks(shards.rows, columns):
        drawn = torch.empty(block.stop - block.start, columns).normal_(0.0, std)
        first, last = max(block.start, own.start), min(block.stop, own.stop)
        if first < last:
            kept[first - own.start : last - own.start] = drawn[
                first - block.start : last - block.start
            ]
    return kept


def _blocks(rows: int, columns: int) -> list[slice]:
    """Blocks whose numbers fill groups; the last one has more than a group, if all have."""
    whole = _GROUP // math.gcd(_GROUP, columns)  # rows that fill groups
    length = max(1, _BLOCK // (columns * whole)) * whole
    starts = list(range(0, rows, length))
    if len(starts) > 1 and (rows - starts[-1]) * columns < _GROUP:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], rows], strict=True)]
