"""Which process holds which rows."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from processes import in_processes

from arcface_plus.models.shards import Shards


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("rows", [1, 2, 5, 11, 12, 5003])
def test_rows_are_split_as_torch_chunk_does(rows: int, count: int) -> None:
    expected = [len(part) for part in torch.arange(rows).chunk(count)]
    parts = [Shards(rows, rank, count) for rank in range(count)]
    assert parts[0].sizes == expected + [0] * (count - len(expected))
    numbers = torch.arange(rows)
    assert torch.equal(torch.cat([numbers[part.own] for part in parts]), numbers)
    for part in parts:
        assert (parts[0].owner(numbers[part.own]) == part.rank).all()


def test_a_process_that_does_not_exist_holds_nothing() -> None:
    with pytest.raises(ValueError, match="no process 3 of 3"):
        Shards(5, 3, 3)


def _sum_of_ranks(rank: int, first: float) -> torch.Tensor:
    value = torch.tensor([first + rank])
    dist.all_reduce(value)
    return value


def test_functions_run_in_several_processes() -> None:
    found = in_processes(3, _sum_of_ranks, 1.0)
    assert [float(value) for value in found] == [6.0, 6.0, 6.0]


def _fails(rank: int) -> None:
    if rank == 1:
        raise ValueError("by design")


def test_a_process_that_fails_is_reported() -> None:
    with pytest.raises(AssertionError, match=r"process 1 of 2(.|\n)*by design"):
        in_processes(2, _fails)
