"""The search over shards finds what the search of one process does."""

from __future__ import annotations

import pytest
import torch
from gpu_branches import MODULES, as_on_a_gpu
from naive_angles import F64, naive_angles, random_rows
from processes import in_processes
from sharded_rows import difficult_rows, identical_rows_apart, joined, own_part, signs
from torch import Tensor

from arcface_plus.models.nearest.neighbours import nearest_neighbours
from arcface_plus.models.nearest.search import WholeSearch
from arcface_plus.models.nearest.sharded_search import ShardedSearch


def _nearest(
    rank: int, count: int, weights: list[Tensor], block: int | None
) -> list[tuple[Tensor, Tensor]]:
    return [
        tuple(nearest_neighbours(own, block, shards))
        for own, shards in (own_part(weight, rank, count) for weight in weights)
    ]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_same_rows_as_one_process(count: int) -> None:
    sizes = [5, 7, 11, 997] + [3000] * (count == 2)
    weights = [difficult_rows(n, torch.float32) for n in sizes]
    weights += [identical_rows_apart(difficult_rows(n, F64)) for n in sizes]
    weights += [signs(n).to(dtype) for n in (3, 50, 400) for dtype in (F64, torch.float32)]
    weights += [torch.cat([torch.eye(20), -torch.eye(20)])]  # rows at exactly 90° from 38 others
    weights += [torch.ones(6, 3), torch.zeros(6, 3), torch.eye(6) * (torch.arange(6) == 1)]
    results = in_processes(count, _nearest, count, weights, None)
    for position, weight in enumerate(weights):
        row, counted = joined([found[position] for found in results])
        expected = nearest_neighbours(weight)
        assert torch.equal(counted, expected.counted)
        assert torch.equal(row, expected.row)


def test_several_tiles_in_every_part() -> None:
    weights = [difficult_rows(401, torch.float32), signs(300)]
    results = in_processes(2, _nearest, 2, weights, 32)
    for position, weight in enumerate(weights):
        row, _ = joined([found[position] for found in results])
        assert torch.equal(row, nearest_neighbours(weight).row)


def _candidates(rank: int, count: int, weight: Tensor, later: Tensor) -> tuple[Tensor, ...]:
    own, shards = own_part(weight, rank, count)
    first = ShardedSearch(own, shards)
    table = first.candidates(6)
    nearest = first.nearest_of(table)
    renewed = table.clone()
    search = ShardedSearch(later[shards.own].clone(), shards)
    for start in (0, 90, 150):  # also rows of two processes
        search.renew(renewed, slice(start, start + 40))
    return (table, *nearest, renewed)


def test_the_same_candidates_as_one_process() -> None:
    weight = difficult_rows(300, torch.float32)
    later = weight + 0.3 * difficult_rows(300, torch.float32)[torch.randperm(300)]
    table, row, counted, renewed = joined(in_processes(3, _candidates, 3, weight, later))
    first = WholeSearch(weight)
    expected = first.candidates(6)
    assert torch.equal(table, expected)
    assert torch.equal(row, first.nearest_of(expected).row)
    assert torch.equal(counted, first.nearest_of(expected).counted)
    search = WholeSearch(later)
    for start in (0, 90, 150):
        search.renew(expected, slice(start, start + 40))
    assert torch.equal(renewed, expected)


def _nearest_on_a_gpu(rank: int, count: int, weights: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    for module in MODULES:
        module.on_cpu = lambda tensor: False
    return _nearest(rank, count, weights, None)


def test_the_branches_taken_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float16 may choose another, equally near row: for few rows, and hardly further away."""
    weights = [difficult_rows(11, torch.float32), random_rows(900, 32, torch.float32)]
    results = in_processes(2, _nearest_on_a_gpu, 2, weights)
    as_on_a_gpu(monkeypatch)
    for position, weight in enumerate(weights):
        row, counted = joined([found[position] for found in results])
        expected = nearest_neighbours(weight)
        assert torch.equal(counted, expected.counted)
        assert (row != expected.row).sum() <= len(weight) // 100
        angles = naive_angles(weight).nan_to_num(4.0)  # those of zero rows
        regret = angles.gather(1, row.unsqueeze(1)).squeeze(1) - angles.amin(dim=1)
        assert regret[counted].max() < 1e-3
