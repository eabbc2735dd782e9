"""Sums over processes are those of one process, whatever rows each of them has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from naive_angles import F64, random_rows
from processes import in_processes
from sharded_rows import difficult_rows
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from arcface_plus.models.energies.pair_energy import PairEnergy
from arcface_plus.models.energies.pair_sum import PairSum
from arcface_plus.models.energies.sharded_pair_sum import ShardedPairSum
from arcface_plus.models.shards import Shards

CHOSEN, TIMES = torch.tensor([0, 4, 9, 13]), torch.tensor([1, 3, 1, 2])


def _summed(
    rank: int, count: int, weight: Tensor, rows: Tensor, scales: Tensor | None, block: int
) -> list[tuple[Tensor, int, Tensor]]:
    shards = Shards(len(weight), rank, count)
    own = rows[(rows >= shards.own.start) & (rows < shards.own.stop)]
    found = []
    for batch in (False, True):
        pairs = ShardedPairSum(weight[own], rows, shards, PairEnergy(), scales)
        if batch:
            pairs.add_pairs_of(CHOSEN, TIMES, block)
        else:
            pairs.add_all_pairs(block)
        assert pairs.gradient is not None
        found.append((pairs.value, int(pairs.floored), pairs.gradient))
    return found


@pytest.mark.parametrize(("count", "block"), [(2, 3), (3, 100), (4, 2)])
@pytest.mark.parametrize("scaled", [False, True])
def test_some_rows_of_which_processes_have_uneven_numbers(
    count: int, block: int, scaled: bool
) -> None:
    """The last quarter of the rows, and so one of four processes, takes no part."""
    weight = difficult_rows(24, F64)
    rows = torch.tensor([r for r in range(18) if r not in (2, 5, 11)])
    weight[17] = weight[0]
    scales = torch.linspace(0.5, 2.0, len(rows), dtype=F64) if scaled else None
    found = in_processes(count, _summed, count, weight, rows, scales, block)
    for position, batch in enumerate((False, True)):
        whole = PairSum(weight[rows], PairEnergy(), scales)
        if batch:
            whole.add_pairs_of(CHOSEN, TIMES)
        else:
            whole.add_all_pairs()
        for each in found:
            assert torch.equal(each[position][0], found[0][position][0])
            assert each[position][1] == int(whole.floored)
            torch.testing.assert_close(each[position][0], whole.value, rtol=1e-13, atol=0)
        together = torch.cat([each[position][2] for each in found])
        assert whole.gradient is not None
        torch.testing.assert_close(together, whole.gradient, rtol=1e-10, atol=1e-9)


class _Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that an operation gives."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def _largest(rank: int, rows: int) -> int:
    shards = Shards(rows, rank, 4)
    weight = random_rows(rows, 16, torch.float32)[shards.own]
    with _Largest() as largest:
        pairs = ShardedPairSum(weight, torch.arange(rows), shards, PairEnergy())
        pairs.add_all_pairs(8)
        list(pairs.by_rows())
    return largest.elements


def test_a_process_holds_two_parts_and_no_more() -> None:
    assert in_processes(4, _largest, 400) == [
        2 * 100 * 16,
        2 * 100 * 16,
        2 * 100 * 16,
        2 * 100 * 16,
    ]


def _one(rank: int) -> tuple[Tensor, Tensor | None]:
    weight = random_rows(5, 3)[Shards(5, rank, 2).own]
    pairs = ShardedPairSum(weight, torch.arange(5), Shards(5, rank, 2), PairEnergy(), None, False)
    pairs.add_pairs_of(torch.arange(0), torch.arange(0))
    nothing = pairs.value.clone()
    pairs.add_all_pairs()
    assert float(nothing) == 0.0
    return pairs.value, pairs.gradient


def test_no_labels_and_no_gradient() -> None:
    whole = PairSum(random_rows(5, 3), PairEnergy())
    whole.add_all_pairs()
    for value, gradient in in_processes(2, _one):
        assert gradient is None
        torch.testing.assert_close(value, whole.value, rtol=1e-13, atol=0)
