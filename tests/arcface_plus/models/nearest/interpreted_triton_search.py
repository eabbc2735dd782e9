"""Cases for ``test_triton_search.py``, which runs them in a process with TRITON_INTERPRET=1: Triton
looks at it when it is imported, so that no test among others could set it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from arcface_plus.models.nearest.triton_search import (
    Tiling,
    available,
    best_by_slot,
    best_of_rows,
    triangle_tile,
)


def naive(unit: Tensor, penalty: Tensor | None, slots: int, block: int) -> tuple[Tensor, Tensor]:
    """The n×n way, in float32."""
    rows = torch.arange(len(unit))
    cosine = unit.float() @ unit.float().T
    if penalty is not None:
        cosine = cosine + (penalty[:, None] + penalty[None, :])
    cosine = cosine.fill_diagonal_(-torch.inf).nan_to_num(nan=-torch.inf, neginf=-torch.inf)
    value, index = [], []
    for slot in range(slots):
        mine = cosine.masked_fill(rows // block % slots != slot, -torch.inf)
        best = mine.amax(dim=1)
        lowest = torch.where(mine == best[:, None], rows, len(unit)).amin(dim=1)
        value.append(best)
        index.append(torch.where(best == -torch.inf, rows, lowest))
    return torch.stack(value, dim=1), torch.stack(index, dim=1)


def whole(n: int, d: int, seed: int = 0) -> Tensor:
    """Rows of small integers: every product is exact, and many are equal."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, (n, d), generator=generator).half()


def unit_rows(n: int, d: int) -> Tensor:
    generator = torch.Generator().manual_seed(n + d)
    return torch.nn.functional.normalize(torch.randn(n, d, generator=generator)).half()


def agree(unit: Tensor, penalty: Tensor | None, slots: int, block: int, group: int = 2) -> None:
    """Both searches against the naive way, bit for bit."""
    tiling = Tiling(block=block, group=group)
    cosine, row = best_by_slot(unit, penalty, slots, tiling)
    expected_cosine, expected_row = naive(unit, penalty, slots, block)
    assert cosine.dtype == torch.float32
    assert row.dtype == torch.int64
    torch.testing.assert_close(cosine, expected_cosine, rtol=0, atol=0)
    torch.testing.assert_close(row, expected_row, rtol=0, atol=0)
    first, last = len(unit) // 3, max(len(unit) // 3 + 1, len(unit) * 3 // 4)
    cosine, row = best_of_rows(unit, first, last, penalty, slots, tiling)
    torch.testing.assert_close(cosine, expected_cosine[first:last], rtol=0, atol=0)
    torch.testing.assert_close(row, expected_row[first:last], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("n", "d", "block", "slots"),
    [
        (2, 1, 32, 1),
        (2, 1, 32, 16),
        (3, 3, 32, 4),
        (127, 64, 32, 1),
        (128, 100, 32, 4),
        (129, 3, 32, 16),
        (300, 512, 64, 4),
        (300, 7, 128, 1),
        (700, 100, 128, 16),  # slots without a tile of their own
    ],
)
def test_it_agrees_with_the_naive_way_bit_for_bit(n: int, d: int, block: int, slots: int) -> None:
    agree(whole(n, d), None, slots, block)


@pytest.mark.parametrize(("n", "d"), [(129, 512), (300, 3)])
def test_unit_rows_in_float16(n: int, d: int) -> None:
    unit = unit_rows(n, d)
    cosine, row = best_by_slot(unit, None, 4, Tiling(block=32))
    expected, _ = naive(unit, None, 4, 32)
    torch.testing.assert_close(cosine, expected, rtol=0, atol=1e-6)
    of_row = (unit.float()[:, None] * unit.float()[row]).sum(dim=2)
    torch.testing.assert_close(of_row, cosine, rtol=0, atol=1e-6)


def test_the_lowest_of_equal_rows_is_chosen_in_each_slot() -> None:
    rows = whole(5, 64).repeat(40, 1)
    for group in (1, 2, 8):  # whatever the order of the tiles
        agree(rows, None, 1, 32, group)
        agree(rows.flip(0), None, 4, 32, group)
    _, row = best_by_slot(rows[:1].repeat(100, 1), None, 1, Tiling(block=32))
    assert row.flatten().tolist() == [1] + [0] * 99


def test_negative_cosines_and_both_zeros() -> None:
    simplex = torch.full((40, 40), -1.0).fill_diagonal_(4.0).half()
    signed = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [-0.0, -1.0], [0.0, -1.0]]).half()
    for rows in (simplex, signed, -signed.repeat(20, 1)):
        agree(rows, None, 1, 16)
        agree(rows, None, 4, 16)


def test_penalised_rows_are_never_neighbours() -> None:
    rows = whole(200, 64)
    rows[[0, 5, 64, 199]] = 0.0
    penalty = torch.where(rows.any(dim=1), 0.0, -4096.0)
    agree(rows, penalty, 4, 32)
    _, row = best_by_slot(rows, penalty, 1, Tiling(block=32))
    assert not set(row.flatten().tolist()) & {0, 5, 64, 199}


def test_nan_affects_only_its_own_row() -> None:
    rows = whole(150, 64)
    rows[[3, 40, 149], 2] = torch.nan
    agree(rows, None, 1, 32)
    agree(rows, None, 4, 32)
    cosine, row = best_by_slot(torch.full((3, 8), torch.nan).half(), None, 2, Tiling(block=16))
    assert row.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert cosine.isneginf().all()


@pytest.mark.parametrize("group", [1, 2, 8])
def test_every_tile_of_the_triangle_is_visited_once(group: int) -> None:
    for tiles in range(1, 70):
        bands = -(-tiles // group)
        programs = np.arange(bands * (bands + 1) // 2 * group**2)
        i, j = triangle_tile(programs, tiles, group)
        live = (i < tiles) & (j < tiles) & (j >= i)
        visited = np.zeros((tiles, tiles), dtype=int)
        np.add.at(visited, (i[live], j[live]), 1)
        np.testing.assert_array_equal(visited, np.triu(np.ones((tiles, tiles))))


def test_the_triangle_of_two_million_rows_fits_32_bits() -> None:
    tiles, group = 2**21 // 128, 8
    programs = tiles // group * (tiles // group + 1) // 2 * group**2
    assert programs < 2**31
    for start in (0, programs // 3, programs // 2, programs - 10_000):
        numbers = np.arange(start, start + 10_000)
        wide = triangle_tile(numbers, tiles, group)
        narrow = triangle_tile(numbers.astype(np.int32), np.int32(tiles), np.int32(group))
        np.testing.assert_array_equal(wide, narrow)
        assert len(set(zip(*(part.tolist() for part in wide), strict=True))) == 10_000


def test_supported_tensors() -> None:
    unit = unit_rows(4, 8)
    assert available(unit)
    assert not available(unit.float())
    with pytest.raises(ValueError, match="float16"):
        best_by_slot(unit.float(), None, 1)
    with pytest.raises(ValueError, match="contiguous"):
        best_by_slot(unit.T, None, 1)
    with pytest.raises(ValueError, match="power of two"):
        best_by_slot(unit, None, 3)
    with pytest.raises(ValueError, match="penalty"):
        best_by_slot(unit, torch.zeros(3), 1)
    with pytest.raises(ValueError, match="2:5"):
        best_of_rows(unit, 2, 5, None, 1)
