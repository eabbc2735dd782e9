"""Angles of all rows from those that each process has found."""

from __future__ import annotations

import torch
from naive_angles import random_rows
from processes import in_processes

from arcface_plus.models.nearest.neighbours import nearest_angles
from arcface_plus.models.nearest.results import NearestAngles
from arcface_plus.models.shards import Shards


def _gathered(rank: int, count: int, angles: NearestAngles) -> NearestAngles:
    shards = Shards(len(angles.angle), rank, count)
    return NearestAngles(*(values[shards.own] for values in angles)).gathered(shards)


def test_every_process_gets_the_angles_of_all_rows() -> None:
    weight = random_rows(7, 5)
    weight[3] = 0.0
    angles = nearest_angles(weight)
    for found in in_processes(3, _gathered, 3, angles):
        for ours, expected in zip(found, angles, strict=True):
            assert torch.equal(ours, expected)
        assert found.smallest() == angles.smallest()
        assert found.quantile(0.5) == angles.quantile(0.5)
