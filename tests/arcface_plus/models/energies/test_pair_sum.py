"""Tiles of any size give the same sums, and close pairs in them are found."""

from __future__ import annotations

import pytest
import torch
from naive_angles import F64, random_rows

from arcface_plus.models.energies.pair_energy import PairEnergy
from arcface_plus.models.energies.pair_sum import PairSum


def crowded() -> torch.Tensor:
    """Rows with close and opposite ones, in and across tiles."""
    weight = random_rows(53, 5)
    for row, other, factor in ((1, 0, 1.0), (52, 0, 1.0), (20, 19, -2.0), (40, 3, -1.0)):
        weight[row] = factor * weight[other]
        weight[row, 0] += 1e-3
    return weight


@pytest.mark.parametrize("block", [1, 7, 52, 53, 64])
@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("angular", [False, True])
def test_tiles_of_any_size(block: int, half_space: bool, angular: bool) -> None:
    energy, weight = PairEnergy(2.0, angular, half_space), crowded()
    whole, parts = PairSum(weight, energy), PairSum(weight, energy)
    whole.add_all_pairs(100)
    parts.add_all_pairs(block)
    torch.testing.assert_close(parts.value, whole.value, rtol=1e-13, atol=0)
    assert whole.gradient is not None
    torch.testing.assert_close(parts.gradient, whole.gradient, rtol=1e-10, atol=1e-10)
    chosen, times = torch.tensor([0, 3, 20, 52]), torch.tensor([1, 3, 1, 2])
    whole, parts = PairSum(weight, energy), PairSum(weight, energy)
    whole.add_pairs_of(chosen, times, 100)
    parts.add_pairs_of(chosen, times, block)
    torch.testing.assert_close(parts.value, whole.value, rtol=1e-13, atol=0)
    torch.testing.assert_close(parts.gradient, whole.gradient, rtol=1e-10, atol=1e-10)


def test_every_row_once_is_every_pair_twice() -> None:
    weight = crowded()
    pairs, rows = PairSum(weight, PairEnergy()), PairSum(weight, PairEnergy())
    pairs.add_all_pairs(16)
    rows.add_pairs_of(torch.arange(53), torch.ones(53, dtype=torch.int64), 10)
    torch.testing.assert_close(rows.value, 2 * pairs.value)
    assert pairs.gradient is not None
    torch.testing.assert_close(rows.gradient, 2 * pairs.gradient)
    assert int(rows.floored) == 2 * int(pairs.floored)


def test_sums_are_in_double_precision_and_nothing_is_differentiated_in_vain() -> None:
    pairs = PairSum(random_rows(40, 5, torch.float32), PairEnergy(), differentiate=False)
    pairs.add_all_pairs()
    assert pairs.value.dtype == F64
    assert pairs.gradient is None


@pytest.mark.parametrize(("threads", "tiles"), [(1, 6), (2, 3), (4, 3)])
def test_several_threads_get_fewer_and_larger_tiles(
    threads: int, tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    made = []
    whole = PairEnergy.of_cosines
    monkeypatch.setattr(
        PairEnergy, "of_cosines", lambda self, *given: made.append(1) or whole(self, *given)
    )
    PairSum(random_rows(1600, 3), PairEnergy()).add_all_pairs()
    assert len(made) == tiles
