"""The search for nearest rows against brute force."""

from __future__ import annotations

import pytest
import torch
from gpu_branches import as_on_a_gpu
from naive_angles import (
    F64,
    loss_and_gradient,
    naive_angles,
    random_rows,
    rows_at_angle_from,
)

from arcface_plus.models.nearest import angles
from arcface_plus.models.nearest.neighbours import nearest_neighbours
from arcface_plus.models.regularizers import nearest_angles


@pytest.mark.parametrize("n", [31, 32, 33, 63, 64, 65, 95, 96, 97, 130])
@pytest.mark.parametrize("block", [32, 64, 96, 1024])
def test_indices_equal_brute_force_around_block_boundaries(n: int, block: int) -> None:
    weight = random_rows(n, 6, seed=n)
    row, counted = nearest_neighbours(weight, block)
    assert bool(counted.all())
    assert torch.equal(row, naive_angles(weight).argmin(dim=1))


def test_default_block_and_several_of_them() -> None:
    weight = random_rows(2600, 8)
    u = weight / weight.norm(dim=1, keepdim=True)
    cosine = (u @ u.T).fill_diagonal_(-2)
    assert torch.equal(nearest_neighbours(weight).row, cosine.argmax(dim=1))


def test_float32_regret_is_tiny() -> None:
    """Where float32 ranks two neighbours differently, their angles hardly differ."""
    weight = random_rows(1500, 64, torch.float32)
    found = nearest_angles(weight)
    u = weight.to(F64) / weight.to(F64).norm(dim=1, keepdim=True)
    best = (u @ u.T).fill_diagonal_(-2).max(dim=1).values.arccos()
    regret = found.angle.to(F64) - best
    assert regret.abs().max() < 1e-6


def test_ties_take_the_lowest_row() -> None:
    # Cross-polytope: every row has 2(d − 1) rows at exactly 90°.
    eye = torch.eye(40)
    weight = torch.cat([eye, -eye])
    for block in (32, 64, 1024):
        row = nearest_neighbours(weight, block).row
        assert row.tolist() == [1] + [0] * 39 + [1] + [0] * 39


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_the_nearer_of_several_near_duplicates_is_found(dtype: torch.dtype) -> None:
    """At such angles every float32 cosine is 1; the copies lie in other blocks, far apart."""
    weight = random_rows(200, 32)
    for position, angle in ((70, 3e-4), (90, 1e-4), (91, 2e-5), (150, 1e-5), (199, 3e-5)):
        weight[position] = rows_at_angle_from(weight[5], angle, seed=position)
    weight = weight.to(dtype)
    expected = naive_angles(weight).argmin(dim=1)
    assert expected[5] == 150
    assert torch.equal(nearest_neighbours(weight, 32).row, expected)


@pytest.mark.parametrize("block", [0, 33])
def test_block_must_be_a_multiple_of_32(block: int) -> None:
    with pytest.raises(ValueError, match="block must be a positive multiple of 32"):
        nearest_neighbours(torch.ones(4, 4), block)


@pytest.mark.parametrize("kind", ["plain", "zero rows", "identical rows", "near rows"])
@pytest.mark.parametrize("n", [2, 3, 31, 100, 1300])
def test_the_branches_taken_on_a_gpu_give_the_same(
    kind: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = random_rows(n, 24, torch.float32)
    if kind == "zero rows":
        weight[[1, n // 2]] = 0.0
    if kind == "identical rows":
        weight[[1, n // 2]] = weight[0].clone()
    if kind == "near rows":
        weight[1] = rows_at_angle_from(weight[n // 2].to(F64), 1e-5, seed=1)
    expected = loss_and_gradient(weight)
    as_on_a_gpu(monkeypatch)
    found = loss_and_gradient(weight)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-6)
    # float16 may choose another, equally near neighbour, with another gradient: for few rows.
    wrong = ((found[1] - expected[1]).norm(dim=1) > 1e-5 * expected[1].norm(dim=1).max()).sum()
    assert wrong <= n // 100


@pytest.mark.parametrize("n", [40, 1300])
def test_regret_of_the_float16_search(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neighbours are closer than float16 resolves, the error is within that resolution."""
    generator = torch.Generator().manual_seed(1)
    centres = random_rows(n // 10, 64, torch.float32)
    weight = centres.repeat_interleave(10, dim=0)
    weight += 0.3 * torch.randn(weight.shape, generator=generator)
    best = naive_angles(weight).min(dim=1).values
    as_on_a_gpu(monkeypatch)
    found = nearest_angles(weight)
    regret = torch.rad2deg(found.angle.to(F64) - best)
    assert regret.min() > -1e-4
    assert regret.max() < 0.05
    assert regret.mean() < 1e-3


def test_more_identical_rows_than_a_gpu_moves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = random_rows(10, 8, torch.float32).repeat(4, 1)
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(angles, "_SAME_ON_GPU", 20)
    loss, grad = loss_and_gradient(weight)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert bool(grad.isfinite().all())
    assert 20 <= int((grad.norm(dim=1) > 0).sum()) <= 40
