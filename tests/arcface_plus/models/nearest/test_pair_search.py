"""Candidates of a row, and the nearest among them."""

from __future__ import annotations

import torch
from naive_angles import (
    naive_angles,
    random_rows,
)

from arcface_plus.models.nearest.pair_search import candidates, nearest_of, renewed
from arcface_plus.models.nearest.rows import directions


def test_candidates_hold_the_nearest_rows() -> None:
    weight = random_rows(600, 16, torch.float32)
    known = directions(weight)
    table = candidates(known, 16)
    assert table.shape == (600, 17)
    ranked = naive_angles(weight).argsort(dim=1)
    assert bool((table == ranked[:, :1]).any(dim=1).all())  # the nearest, always
    recall = [(table == ranked[:, k : k + 1]).any(dim=1).double().mean().item() for k in range(8)]
    assert min(recall) > 0.75
    nearest, some = nearest_of(known, table)
    assert bool(some.all())
    assert torch.equal(nearest, ranked[:, 0])
    assert torch.equal(renewed(known, table, slice(100, 333)), table[100:333])


def test_more_candidates_than_rows() -> None:
    weight = random_rows(3, 5, torch.float32)
    known = directions(weight)
    nearest, some = nearest_of(known, candidates(known, 32))
    assert torch.equal(nearest, naive_angles(weight).argmin(dim=1))
    assert bool(some.all())
    weight[:2] = 0.0
    nearest, some = nearest_of(directions(weight), candidates(known, 32))
    assert nearest.tolist() == [2, 2, 2]
    assert some.tolist() == [True, True, False]
