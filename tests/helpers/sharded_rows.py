"""Matrices whose parts several processes hold, and rows that are difficult to search."""

import torch
from naive_angles import F64, random_rows, rows_at_angle_from
from torch import Tensor

from arcface_plus.models.shards import Shards


def own_part(weight: Tensor, rank: int, count: int) -> tuple[Tensor, Shards]:
    shards = Shards(len(weight), rank, count)
    return weight[shards.own].clone(), shards


def joined(parts: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The values of all rows, from what each process returns of its own."""
    return tuple(torch.cat(values) for values in zip(*parts, strict=True))


def signs(n: int) -> Tensor:
    """Rows of ±1/4 of 16 dimensions, whose cosines are exact: many equal ones, and equal rows."""
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 2, (n, 16), generator=generator, dtype=F64) / 2 - 0.25


def difficult_rows(n: int, dtype: torch.dtype, d: int = 8) -> Tensor:
    """Random rows: the first and the last are identical, the third is zero; with more than ten, two
    far from each other are 1e-6 rad apart, and with 100, three are close to one and identical."""
    weight = random_rows(n, d)
    weight[-1] = weight[0]
    weight[2] = 0.0
    if n > 10:
        weight[n // 2] = rows_at_angle_from(weight[1], 1e-6, seed=1)
    if n > 100:
        for row in range(5, n - 1, n // 3):
            weight[row] = rows_at_angle_from(weight[4], 1e-5, seed=2)
    return weight.to(dtype)


def more_and_fewer_rows_than_dimensions() -> list[Tensor]:
    """Difficult rows of 8 dimensions, orthonormal rows, and a NaN."""
    broken = random_rows(11, 6)
    broken[-1, 2] = torch.nan
    rows = [difficult_rows(n, dtype) for n in (5, 7, 11, 301) for dtype in (torch.float32, F64)]
    return [*rows, torch.eye(7, 9), torch.linalg.qr(random_rows(9, 5)).Q.T, broken]


def identical_rows_apart(weight: Tensor) -> Tensor:
    """The same without identical rows, which float64 products only tell apart by rounding."""
    noise = random_rows(*weight.shape, weight.dtype, seed=3)
    return weight + 1e-3 * noise * (weight != 0.0)
