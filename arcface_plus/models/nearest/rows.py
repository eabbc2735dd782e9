"""Rows as directions: their norms and their unit vectors in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from arcface_plus.models.shards import Shards


def check_rows(weight: Tensor, shards: Shards | None = None) -> None:
    """Raise ``ValueError`` unless ``weight`` is this process's part of a floating-point matrix of
    two rows or more."""
    if weight.ndim != 2 or not weight.is_floating_point():
        raise ValueError(
            f"weight must be floating point (n, d), not {weight.dtype} {tuple(weight.shape)}"
        )
    shards = shards or Shards(weight.shape[0])
    if shards.rows < 2 or weight.shape[1] < 1:
        raise ValueError(
            f"weight must have at least 2 rows to have a nearest neighbour, not shape "
            f"{(shards.rows, weight.shape[1])}"
        )
    if len(weight) != shards.sizes[shards.rank]:
        raise ValueError(
            f"process {shards.rank} of {shards.count} holds {shards.sizes[shards.rank]} of "
            f"{shards.rows} rows, not {len(weight)}"
        )


def block_length(weight: Tensor) -> int:
    """Rows processed at once in double precision: on a CPU what fits its second-level cache."""
    return 8192 if weight.is_cuda else 256


class Directions(NamedTuple):
    """The rows of a matrix as directions; rows of zeros have none."""

    unit: Tensor
    """(n, d) unit rows, float32, or float64 for a float64 matrix; zero rows stay zero."""
    norms: Tensor
    """(n,) float64."""
    zero: Tensor
    """(n,) bool."""

    @property
    def counted(self) -> Tensor:
        """(n,) bool: the rows that have a neighbour: nonzero, and not the only nonzero row."""
        return ~self.zero & ((~self.zero).sum() > 1)


def directions(weight: Tensor) -> Directions:
    """Of ``weight`` (n, d), float32 or float64, detached."""
    norms = row_norms(weight)
    unit = torch.empty_like(weight)
    for rows in row_blocks(weight.shape[0], block_length(weight)):
        unit[rows] = unit_rows(weight, norms, rows)
    return Directions(unit, norms, norms == 0.0)


def row_blocks(rows: int, length: int) -> Iterator[slice]:
    """Consecutive slices of at most ``length`` rows."""
    return (slice(start, min(start + length, rows)) for start in range(0, rows, length))


def row_norms(weight: Tensor) -> Tensor:
    """Euclidean norms (n,), float64: squares of float32 can neither overflow nor underflow."""
    norms = [
        torch.linalg.vector_norm(weight[rows], dim=1, dtype=torch.float64)
        for rows in row_blocks(weight.shape[0], block_length(weight))
    ]
    return torch.cat(norms) if norms else weight.new_empty(0, dtype=torch.float64)


def unit_rows(weight: Tensor, norms: Tensor, which: slice | Tensor) -> Tensor:
    """The rows ``which`` of ``weight`` divided by their norms, float64; zero rows stay zero."""
    chosen = norms[which]
    return weight[which].double() / torch.where(chosen == 0.0, 1.0, chosen).unsqueeze(1)


def on_cpu(tensor: Tensor) -> bool:
    """Whether reading the values of ``tensor`` is free: on a GPU it forces a synchronization."""
    return tensor.device.type == "cpu"


def may_hold(condition: Tensor) -> bool:
    """False only if no element is true; always True on a GPU."""
    return not on_cpu(condition) or bool(condition.any())
