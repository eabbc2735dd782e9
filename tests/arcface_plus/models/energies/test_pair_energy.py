"""The energy of a pair: its two ways to compute, and its derivatives."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.energies.pair_energy import NEAREST, PairEnergy

F64 = torch.float64


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("angular", [False, True])
@pytest.mark.parametrize("half_space", [False, True])
def test_cosines_and_distances_agree(power: float, angular: bool, half_space: bool) -> None:
    energy = PairEnergy(power, angular, half_space)
    cosine = torch.linspace(-0.95, 0.95, 39, dtype=F64, requires_grad=True)
    expected = torch.zeros_like(cosine)
    for sign in (1, -1) if half_space else (1,):
        distance = torch.acos(sign * cosine) if angular else (2 - 2 * sign * cosine).sqrt()
        expected = expected + energy.of_distance(distance)[0]
    (wanted,) = torch.autograd.grad(expected.sum(), cosine)
    value, slope = energy.of_cosines(cosine.detach())
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(slope, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 5.0])
def test_the_slope_by_the_distance(power: float) -> None:
    distance = torch.tensor([0.0, 1e-4, 2e-3, 0.5, 2.0], dtype=F64, requires_grad=True)
    value, slope = PairEnergy(power).of_distance(distance)
    (wanted,) = torch.autograd.grad(value.sum(), distance)
    torch.testing.assert_close(slope.detach(), wanted)
    assert slope[0] == slope[1]  # constant below the floor
    floor = torch.tensor(NEAREST, dtype=F64)
    just_below, just_above = (
        PairEnergy(power).of_distance(floor * f)[0] for f in (1 - 1e-9, 1 + 1e-9)
    )
    torch.testing.assert_close(just_below, just_above)
