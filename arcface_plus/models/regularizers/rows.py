"""Rows as directions: their norms, their unit vectors in double precision, and cheap questions."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def check_rows(weight: Tensor) -> None:
    """Raise ``ValueError`` unless ``weight`` is a floating-point matrix of two rows or more."""
    if weight.ndim != 2 or not weight.is_floating_point():
        raise ValueError(
            f"weight must be floating point (n, d), not {weight.dtype} {tuple(weight.shape)}"
        )
    if weight.shape[0] < 2 or weight.shape[1] < 1:
        raise ValueError(
            f"weight must have at least 2 rows to have a nearest neighbour, not shape "
            f"{tuple(weight.shape)}"
        )


def block_length(weight: Tensor) -> int:
    """Rows handled at once: on a CPU a 1,024² tile stays in the cache, on a GPU 2,048² does."""
    return 2048 if weight.is_cuda else 1024


def row_blocks(rows: int, length: int) -> Iterator[slice]:
    """Consecutive slices of at most ``length`` rows."""
    return (slice(start, min(start + length, rows)) for start in range(0, rows, length))


def row_norms(weight: Tensor) -> Tensor:
    """Euclidean norms (n,), float64: squares of float32 can neither overflow nor vanish."""
    norms = [
        torch.linalg.vector_norm(weight[rows], dim=1, dtype=torch.float64)
        for rows in row_blocks(weight.shape[0], block_length(weight))
    ]
    return torch.cat(norms)


def unit_rows(weight: Tensor, norms: Tensor, which: slice | Tensor) -> Tensor:
    """The rows ``which`` of ``weight`` divided by their norms, float64; zero rows stay zero."""
    chosen = norms[which]
    return weight[which].double() / torch.where(chosen == 0.0, 1.0, chosen).unsqueeze(1)


def may_hold(condition: Tensor) -> bool:
    """False only if no element is true. On a GPU always True: looking would stall its queue."""
    return condition.device.type != "cpu" or bool(condition.any())
