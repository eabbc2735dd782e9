"""The watch over angles of runs without a regularizer."""

from __future__ import annotations

import pytest
import torch
from naive_angles import random_rows

from arcface_plus.models.nearest import cached, watch
from arcface_plus.models.regularizers import Watch, nearest_angles


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
