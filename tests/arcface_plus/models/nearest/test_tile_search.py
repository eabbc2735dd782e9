"""The best of every slot, tile by tile, against the whole matrix."""

from __future__ import annotations

import pytest
import torch
from gpu_branches import as_on_a_gpu
from naive_angles import (
    random_rows,
)

from arcface_plus.models.nearest import tile_search


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("n", "block"), [(2, 32), (33, 32), (100, 64), (130, 1024)])
def test_the_best_of_every_slot(slots: int, n: int, block: int) -> None:
    unit = torch.nn.functional.normalize(random_rows(n, 6))
    products = (unit @ unit.T).fill_diagonal_(-torch.inf)
    everything = tile_search.best_by_slot(unit, None, slots, block)
    part = slice(n // 3, n - n // 4)
    some = tile_search.best_of_rows(unit, part, None, slots, block)
    own = torch.arange(n)
    for slot in range(slots):
        members = own[slot::slots]
        if len(members) == 0:
            assert bool((everything.value[:, slot] == -torch.inf).all())
            assert torch.equal(everything.index[:, slot], own)
            continue
        value, place = products[:, members].max(dim=1)
        expected = torch.where(value > -torch.inf, members[place], own)
        torch.testing.assert_close(everything.value[:, slot], value)
        assert torch.equal(everything.index[:, slot], expected)
        assert torch.equal(some.index[:, slot], expected[part])


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("slots", [1, 4, 32])
def test_equal_products_take_the_lowest_row_of_a_slot(
    slots: int, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = torch.eye(8).repeat(20, 1)  # 20 copies of 8 directions
    if gpu:
        as_on_a_gpu(monkeypatch)
    found = tile_search.best_by_slot(unit, None, slots, 64)
    for row in range(len(unit)):
        for slot in range(slots):
            copies = [j for j in range(row % 8, 160, 8) if j != row and j % slots == slot]
            if copies:
                assert found.index[row, slot] == copies[0]


@pytest.mark.parametrize("slots", [0, 3, 64])
def test_slots_must_divide_32(slots: int) -> None:
    with pytest.raises(ValueError, match="slots must be a divisor of 32"):
        tile_search.best_by_slot(torch.ones(4, 4), None, slots, 64)
