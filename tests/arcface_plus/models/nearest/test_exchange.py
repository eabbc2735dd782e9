"""Rows fetched from the processes that hold them, and values sent back."""

from __future__ import annotations

import pytest
import torch
from processes import in_processes
from sharded_rows import own_part
from torch import Tensor

from arcface_plus.models.nearest.exchange import Wanted, gathered, mean_over_rows, summed
from arcface_plus.models.shards import Shards

TABLE = torch.arange(14.0).view(7, 2)


def _everything(rank: int, count: int) -> dict[str, Tensor]:
    own, shards = own_part(TABLE, rank, count)
    wanted = Wanted(torch.tensor([[6, 0], [6, 3]]) if rank != 1 else torch.empty(0, 2), shards)
    back = wanted.give_back(torch.full((len(wanted.rows),), 10.0**rank))
    total = torch.zeros(len(own)).index_add_(0, wanted.served, back)
    return {
        "gathered": gathered(own, shards),
        "flags": gathered(own[:, 0] > 5.0, shards),
        "summed": summed(torch.tensor([float(rank), 1.0]), shards),
        "means": mean_over_rows((own[:, 0], own[:, 1]), shards),
        "wanted": wanted.fetch(own)[wanted.position],
        "total": total,
    }


@pytest.mark.parametrize("count", [2, 4])
def test_rows_are_exchanged_between_processes(count: int) -> None:
    found = in_processes(count, _everything, count)
    for rank, each in enumerate(found):
        assert torch.equal(each["gathered"], TABLE)
        assert torch.equal(each["flags"], TABLE[:, 0] > 5.0)
        assert each["summed"].tolist() == [sum(range(count)), count]
        assert each["means"].tolist() == [6.0, 7.0]
        expected = TABLE[torch.tensor([[6, 0], [6, 3]])] if rank != 1 else torch.empty(0, 2, 2)
        assert torch.equal(each["wanted"], expected)
    asked = sum(10.0**rank for rank in range(count) if rank != 1)
    expected = torch.tensor([asked, 0, 0, asked, 0, 0, asked])
    assert torch.equal(torch.cat([each["total"] for each in found]), expected)


def _of_two_rows(rank: int, count: int) -> list[Tensor]:
    own, shards = own_part(TABLE[:2], rank, count)
    return [gathered(own, shards), mean_over_rows((own[:, 0],), shards)]


def test_processes_may_hold_nothing() -> None:
    for everything, mean in in_processes(3, _of_two_rows, 3):
        assert torch.equal(everything, TABLE[:2])
        assert mean.tolist() == [1.0]


def test_one_process_exchanges_nothing() -> None:
    shards = Shards(7)
    assert gathered(TABLE, shards) is TABLE
    assert summed(TABLE, shards) is TABLE
    assert mean_over_rows((TABLE[:, 0], TABLE[:, 1]), shards).tolist() == [6.0, 7.0]
