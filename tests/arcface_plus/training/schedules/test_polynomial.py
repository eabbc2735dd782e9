"""The polynomial rate, against torch's and against arcface_torch's formula."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.training.schedules import Polynomial


@pytest.mark.parametrize("power", [1.0, 2.0, 0.9])
def test_torchs_rates(power):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    theirs = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=20, power=power)
    ours = Polynomial(0.3, 20, power=power)
    for step in range(20):
        assert ours.at(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        theirs.step()


def test_after_the_warm_up_it_is_arcface_torchs_closed_form():
    """base · (1 − (step − warm-up) / (total − warm-up))^power."""
    ours = Polynomial(0.1, 100, 20, power=2.0)
    for step in (20, 21, 60, 99):
        assert ours.at(step) == pytest.approx(0.1 * (1 - (step - 20) / 80) ** 2)


def test_a_power_that_does_not_fall_is_refused():
    with pytest.raises(ValueError, match="power must be positive"):
        Polynomial(0.1, 20, power=0.0)
