"""The watch over angles of runs without a regularizer."""

from __future__ import annotations

import pytest
import torch
from naive_angles import random_rows
from processes import in_processes
from sharded_rows import own_part
from torch import Tensor

from arcface_plus.models.nearest import cached, watch
from arcface_plus.models.regularizers import NearestAngles, Watch, nearest_angles


def test_a_watch_finds_what_the_exact_search_does_however_far_the_rows_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "EXACT_UP_TO", 100)
    monkeypatch.setattr(cached, "on_cpu", lambda tensor: False)  # where training would not wait
    watched = Watch()
    for seed in range(3):
        weight = random_rows(200, 16, torch.float32, seed=seed)
        expected = nearest_angles(weight)
        for ours, theirs in zip(watched.angles(weight), expected, strict=True):
            assert torch.equal(ours, theirs)


def _watched(rank: int, count: int, weights: list[Tensor]) -> list[NearestAngles]:
    watch.EXACT_UP_TO = 100
    watched = Watch()
    return [watched.angles(*own_part(weight, rank, count)) for weight in weights]


def test_over_shards_every_process_gets_the_angles_of_all_rows() -> None:
    weights = [random_rows(n, 16, torch.float32, seed=n) for n in (50, 150, 151)]
    results = in_processes(2, _watched, 2, weights)
    for position, weight in enumerate(weights):
        for found in results:
            for ours, expected in zip(found[position], nearest_angles(weight), strict=True):
                assert torch.equal(ours, expected)
