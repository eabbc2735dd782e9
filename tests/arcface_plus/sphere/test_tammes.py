"""The papers' descent: its rule for the rate, and what it reaches."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.regularizers import MHE, MMA, MaximalCosine
from arcface_plus.sphere.packings import upper_bound_deg
from arcface_plus.sphere.tammes import Descent, Stagnation, descend, smallest_angle_deg


def test_the_rate_falls_after_500_steps_without_improvement() -> None:
    rule = Stagnation(0.1)
    rule.after(-1.0)
    for _ in range(500):
        rule.after(-1.00009)  # less than a relative 1e-4, also for negative losses
    assert rule.rate == 0.1
    rule.after(-1.0)
    assert rule.rate == pytest.approx(0.02)
    rule.after(-1.1)  # improves: counts anew
    for _ in range(500):
        rule.after(-1.1)
    assert rule.rate == pytest.approx(0.02)
    for _ in range(20 * 501):
        rule.after(0.0)
    assert rule.rate == 1e-8


@pytest.mark.parametrize(("dimension", "points"), [(3, 4), (4, 5)])
@pytest.mark.parametrize("regularizer", [MMA(), MaximalCosine()])
def test_simplexes_are_reached(dimension: int, points: int, regularizer) -> None:  # type: ignore[no-untyped-def]
    rows = descend(dimension, points, regularizer, 1, Descent(steps=1200))
    assert rows.dtype == torch.float64
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(points, dtype=torch.float64))
    assert smallest_angle_deg(rows) == pytest.approx(upper_bound_deg(dimension, points), abs=1.0)


def test_a_descent_is_a_function_of_its_seed() -> None:
    def run(seed: int, **how: bool) -> torch.Tensor:
        return descend(3, 6, MHE(2.0, subset=0.5), seed, Descent(steps=30, **how))  # type: ignore[arg-type]

    assert torch.equal(run(2), run(2))
    assert not torch.equal(run(2), run(3))
    assert not torch.allclose(run(2), run(2, renormalize=True))


def test_the_first_step_is_that_of_sgd() -> None:
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    rows.requires_grad_()
    (gradient,) = torch.autograd.grad(MMA()(rows), rows)
    expected = rows.detach() - 0.1 * gradient
    expected /= expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(descend(3, 5, MMA(), 4, Descent(steps=1)), expected)
