"""Close rows in double precision, wherever they are held."""

from __future__ import annotations

import torch
from naive_angles import naive_angles, random_rows, rows_at_angle_from
from processes import in_processes
from sharded_rows import own_part
from torch import Tensor

from arcface_plus.models.nearest import sharded_close_rows
from arcface_plus.models.nearest.rows import row_norms
from arcface_plus.models.nearest.sharded_close_rows import search_close_rows_of_shards


def _corrected(rank: int, count: int, weight: Tensor, index: Tensor, at_once: int) -> Tensor:
    sharded_close_rows._ROWS_AT_ONCE = at_once
    own, shards = own_part(weight, rank, count)
    row = index[shards.own].clone()
    cosine = (row >= 0).float() - 0.5 * (shards.own.start == 0)  # nothing is close on the first
    search_close_rows_of_shards(own, row_norms(own), cosine, row, shards)
    return row


def test_the_nearest_of_close_rows_is_found_in_all_parts_at_any_pace() -> None:
    weight = random_rows(40, 32)
    for position, angle in ((15, 1e-5), (22, 3e-5), (29, 1e-6), (39, 2e-6)):
        weight[position] = rows_at_angle_from(weight[35], angle, seed=position)
    weight = weight.float()
    expected = naive_angles(weight)[10:, 10:].argmin(dim=1) + 10
    wrong = torch.full((40,), 12)
    wrong[12] = 13
    for at_once in (8, 4096):
        row = torch.cat(in_processes(4, _corrected, 4, weight, wrong, at_once))
        assert torch.equal(row[10:], expected)
        assert torch.equal(row[:10], wrong[:10])


def test_a_known_row_that_is_nearer_stays() -> None:
    """It is held by a process that has no close rows."""
    weight = random_rows(12, 8).float()
    weight[0] = weight[11]
    known = torch.zeros(12, dtype=torch.int64)
    row = torch.cat(in_processes(3, _corrected, 3, weight, known, 4096))
    assert row[11] == 0
