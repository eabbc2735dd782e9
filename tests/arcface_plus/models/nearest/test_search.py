"""Searches in a matrix that one process holds."""

from __future__ import annotations

import torch
from naive_angles import naive_angles, random_rows

from arcface_plus.models.nearest.search import WholeSearch, search_in
from arcface_plus.models.shards import Shards


def test_candidates_hold_the_nearest_and_are_renewed_in_part() -> None:
    weight, later = random_rows(120, 16), random_rows(120, 16, seed=1)
    search = search_in(weight, Shards(120))
    table = search.candidates(4)
    assert table.shape == (120, 5)
    assert torch.equal(search.nearest_of(table).row, naive_angles(weight).argmin(dim=1))
    before, search = table.clone(), search_in(later, Shards(120))
    assert search.renew(table, slice(30, 50)) == slice(30, 50)
    assert torch.equal(
        search.nearest_of(table).row[30:50], naive_angles(later).argmin(dim=1)[30:50]
    )
    kept = torch.ones(120, dtype=torch.bool)
    kept[30:50] = False
    assert torch.equal(table[kept], before[kept])


def test_zero_rows_are_not_counted() -> None:
    weight = random_rows(6, 4)
    weight[2] = 0.0
    search = WholeSearch(weight)
    for found in (search.nearest(), search.nearest_of(search.candidates(3))):
        assert found.counted.tolist() == [True, True, False, True, True, True]
        assert found.row[2] == 2
        assert 2 not in found.row[[0, 1, 3, 4, 5]]
