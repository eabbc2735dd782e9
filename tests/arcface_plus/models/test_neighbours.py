"""The search for nearest rows against brute force."""

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

from arcface_plus.models.nearest import angles, close_rows, tile_search
from arcface_plus.models.nearest.neighbours import nearest_neighbours
from arcface_plus.models.nearest.pair_search import candidates, nearest_of, renewed
from arcface_plus.models.nearest.rows import directions
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
    """Where float32 ranks two neighbours otherwise, their angles hardly differ."""
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
    # A neighbour that float16 takes for an equally near one pulls elsewhere: few rows of many.
    wrong = ((found[1] - expected[1]).norm(dim=1) > 1e-5 * expected[1].norm(dim=1).max()).sum()
    assert wrong <= n // 100


@pytest.mark.parametrize("n", [40, 1300])
def test_regret_of_the_float16_search(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neighbours lie as near to each other as float16 can tell, theirs is the angle lost."""
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


def test_more_close_rows_than_a_gpu_searches_again(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = random_rows(100, 8, torch.float32)
    weight[50:] = weight[:50] * (1 + 1e-5 * random_rows(50, 8, torch.float32))
    best = naive_angles(weight).min(dim=1).values
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(close_rows, "_CLOSE_ROWS_ON_GPU", 20)
    assert (nearest_angles(weight).angle.to(F64) - best).abs().max() < 1e-6


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("n", "block"), [(2, 32), (33, 32), (100, 64), (130, 1024)])
def test_the_best_of_every_slot(slots: int, n: int, block: int) -> None:
    unit = torch.nn.functional.normalize(random_rows(n, 6))
    products = (unit @ unit.T).fill_diagonal_(-torch.inf)
    everything = tile_search.best_by_slot(unit, None, slots, block)
    part = slice(n // 3, n - n // 4)
    some = tile_search.best_of_rows(unit, part, None, slots, block)
    own = torch.arange(n)
    for slot in range(slots):
        members = own[slot::slots]
        if len(members) == 0:
            assert bool((everything.value[:, slot] == -torch.inf).all())
            assert torch.equal(everything.index[:, slot], own)
            continue
        value, place = products[:, members].max(dim=1)
        expected = torch.where(value > -torch.inf, members[place], own)
        torch.testing.assert_close(everything.value[:, slot], value)
        assert torch.equal(everything.index[:, slot], expected)
        assert torch.equal(some.index[:, slot], expected[part])


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("slots", [1, 4, 32])
def test_equal_products_take_the_lowest_row_of_a_slot(
    slots: int, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = torch.eye(8).repeat(20, 1)  # 20 copies of 8 directions
    if gpu:
        as_on_a_gpu(monkeypatch)
    found = tile_search.best_by_slot(unit, None, slots, 64)
    for row in range(len(unit)):
        for slot in range(slots):
            copies = [j for j in range(row % 8, 160, 8) if j != row and j % slots == slot]
            if copies:
                assert found.index[row, slot] == copies[0]


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


@pytest.mark.parametrize("slots", [0, 3, 64])
def test_slots_must_divide_32(slots: int) -> None:
    with pytest.raises(ValueError, match="slots must be a divisor of 32"):
        tile_search.best_by_slot(torch.ones(4, 4), None, slots, 64)
