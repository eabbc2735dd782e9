"""Every pair of rows meets once, wherever the two are, and results reach their holders."""

from __future__ import annotations

import pytest
import torch
from processes import in_processes
from sharded_rows import own_part
from torch import Tensor

from arcface_plus.models.nearest.ring import Ring


def _pairs(rank: int, count: int, sizes: list[int]) -> list[tuple[list[tuple[int, int]], Tensor]]:
    """For several matrices: the pairs of rows met here, and the sums of the partners' values, added
    up for every own row from what was found here and what others sent."""
    found = []
    for rows in sizes:
        values = torch.arange(1.0, rows + 1)
        own, shards = own_part(values.unsqueeze(1), rank, count)
        met: list[tuple[int, int]] = []
        total = torch.zeros(len(own))
        ring, first = Ring(shards.sizes, rank), shards.own.start
        for meeting in ring.meetings(own):
            assert torch.equal(meeting.block, values[meeting.rows].unsqueeze(1))
            numbers = range(first + meeting.own.start, first + meeting.own.stop)
            for i in numbers:
                met += [(i, j) for j in range(meeting.rows.start, meeting.rows.stop)]
            if meeting.distance == 0:
                total += own.sum() - own[:, 0]
                continue
            total[meeting.own] += meeting.block.sum()
            there = torch.zeros(len(meeting.block)) + own[meeting.own].sum()
            answered, (back, twice) = ring.returned(meeting, there, 2 * there.double())
            assert torch.equal(twice, 2 * back.double())
            total[answered] += back
        found.append((met, total))
    return found


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_pair_of_rows_meets_once(count: int) -> None:
    sizes = [2, 5, 7, 16]
    results = in_processes(count, _pairs, count, sizes)
    for position, rows in enumerate(sizes):
        met = [pair for each in results for pair in each[position][0] if pair[0] != pair[1]]
        own = [pair for pair in met if (pair[1], pair[0]) in met]  # a part with itself: both orders
        once = {tuple(sorted(pair)) for pair in met}
        assert len(once) == rows * (rows - 1) // 2
        assert len(met) == len(once) + len(own) // 2
        total = torch.cat([each[position][1] for each in results])
        values = torch.arange(1.0, rows + 1)
        assert torch.equal(total, values.sum() - values)


def _work(rank: int, count: int, rows: int) -> int:
    own, shards = own_part(torch.zeros(rows, 1), rank, count)
    blocks = [m for m in Ring(shards.sizes, rank).meetings(own) if m.distance > 0]
    return sum((m.own.stop - m.own.start) * len(m.block) for m in blocks)


@pytest.mark.parametrize("count", [2, 4])
def test_an_even_number_of_processes_shares_the_last_meeting(count: int) -> None:
    work = in_processes(count, _work, count, 40)
    assert max(work) == min(work)
