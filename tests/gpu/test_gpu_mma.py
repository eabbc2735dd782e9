"""MMA on a GPU against double precision on the CPU, in every mode, dtype and awkward case."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.regularizers import MMA, nearest_angles

MODES = ["exact", "cached", "rolling"]


def rows(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def true_angles(weight: Tensor) -> Tensor:
    """Angles (n, n) between the rows, in double precision on the CPU; π from a row to itself."""
    unit = F.normalize(weight.detach().cpu().double())
    exact = "donot_use_mm_for_euclid_dist"
    chord = torch.cdist(unit, unit, compute_mode=exact)
    cochord = torch.cdist(unit, -unit, compute_mode=exact)
    return (2 * torch.atan2(chord, cochord)).fill_diagonal_(torch.pi)


def true_gradient(weight: Tensor, neighbour: Tensor) -> Tensor:
    """Of −mean angle to the given neighbours, by autograd in double precision."""
    leaf = weight.detach().cpu().double().requires_grad_()
    unit = F.normalize(leaf)
    delta, total = unit[neighbour] - unit, unit[neighbour] + unit
    angle = 2 * torch.atan2(delta.norm(dim=1), total.norm(dim=1))
    (-angle.mean()).backward()
    assert leaf.grad is not None
    return leaf.grad


def regrets(weight: Tensor, neighbour: Tensor) -> Tensor:
    """How much farther (radians) the found neighbours are than the nearest."""
    angle = true_angles(weight)
    return angle.gather(1, neighbour.cpu().unsqueeze(1)).squeeze(1) - angle.min(dim=1).values


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("n", "d"), [(2, 3), (1000, 512), (2049, 64), (1500, 7)])
def test_value_neighbours_and_gradient(device, mode, n, d):
    weight = rows(n, d).float().to(device).requires_grad_()
    regularizer = MMA(mode=mode).to(device)
    loss = regularizer(weight)
    loss.backward()
    assert regularizer.last is not None
    neighbour = regularizer.last.row.cpu()
    regret = regrets(weight, neighbour)
    assert float(regret.max()) < 1e-3  # half precision may prefer one that is as good as nearest
    assert float(regret.mean()) < 3e-6
    true = -true_angles(weight).min(dim=1).values.mean()
    assert loss.item() == pytest.approx(float(true), abs=1e-5)
    gradient = true_gradient(weight, neighbour)
    error = (weight.grad.cpu().double() - gradient).norm() / gradient.norm()
    assert float(error) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(device, dtype):
    weight = rows(800, 64).to(dtype).to(device).requires_grad_()
    loss = MMA()(weight)
    loss.backward()
    true = -true_angles(weight).min(dim=1).values.mean()
    assert loss.item() == pytest.approx(float(true), abs=1e-5)
    assert weight.grad.dtype == dtype
    assert bool(weight.grad.isfinite().all())


def test_under_autocast(device):
    weight = rows(500, 32).float().to(device).requires_grad_()
    alone = MMA()(weight)
    with torch.autocast(device.type, torch.bfloat16):
        inside = MMA()(weight)
    assert inside.dtype == torch.float32
    assert inside.item() == alone.item()


@pytest.mark.parametrize("spread", [0.02, 0.1])
@pytest.mark.parametrize("mode", MODES)
def test_a_crowds_regret_is_small_in_angle(device, mode, spread):
    """Neighbours whose cosines differ by less than fp16's resolution, or little more."""
    centre = rows(1, 128, seed=1)
    weight = (centre + spread * rows(900, 128, seed=2)).float().to(device)
    regularizer = MMA(mode=mode).to(device)
    regularizer(weight)
    assert regularizer.last is not None
    regret = regrets(weight, regularizer.last.row)
    assert float(regret.mean()) < 1e-3
    assert float(regret.max()) < 1e-2


@pytest.mark.parametrize("mode", MODES)
def test_duplicates_near_duplicates_and_zero_rows(device, mode):
    weight = rows(600, 48).float()
    weight[10] = weight[20]
    weight[30] = weight[40] * 3
    weight[50] = weight[60] + 1e-4 * rows(1, 48, seed=5).float()
    weight[[70, 71]] = 0.0
    weight = weight.to(device).requires_grad_()
    regularizer = MMA(mode=mode).to(device)
    loss = regularizer(weight)
    loss.backward()
    assert regularizer.last is not None
    found, angle = regularizer.last.row.cpu(), regularizer.last.angle.cpu()
    for one, other in ((10, 20), (30, 40), (50, 60)):
        assert int(found[one]) == other
        assert int(found[other]) == one
    assert float(angle[[10, 20]].max()) < 1e-6
    gradient = weight.grad.cpu()
    assert bool(gradient.isfinite().all())
    assert bool((gradient[[70, 71]] == 0).all())
    pull = (gradient[10] * gradient[20]).sum() / gradient[10].norm() / gradient[20].norm()
    assert float(pull) < -0.5  # pushed apart, whatever else pulls on either


@pytest.mark.parametrize("mode", ["cached", "rolling"])
def test_over_a_drift_the_remembered_neighbours_stay_near_the_truth(device, mode):
    weight = rows(900, 96).float().to(device).requires_grad_()
    regularizer = MMA(mode=mode).to(device)
    moves = torch.Generator().manual_seed(3)
    for _ in range(12):
        weight.grad = None
        regularizer(weight).backward()
        with torch.no_grad():
            weight.add_(0.01 * torch.randn(900, 96, generator=moves).to(device))
    loss = regularizer(weight).item()
    true = -float(true_angles(weight).min(dim=1).values.mean())
    assert loss == pytest.approx(true, abs=3e-3)


def test_the_search_without_regularizer_gives_the_same(device):
    weight = rows(1000, 64).float().to(device)
    here, there = nearest_angles(weight), nearest_angles(weight.cpu())
    assert float(here.mean()) == pytest.approx(float(there.mean()), abs=1e-6)
    assert float(here.smallest()) == pytest.approx(float(there.smallest()), abs=1e-6)


def test_equal_bits_each_time(device):
    weight = rows(3000, 128).float().to(device)
    first, second = MMA(mode="exact"), MMA(mode="exact")
    first(weight)
    second(weight)
    assert first.last is not None
    assert second.last is not None
    assert torch.equal(first.last.row, second.last.row)
