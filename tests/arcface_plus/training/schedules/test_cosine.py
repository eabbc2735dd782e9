"""The rate along half a cosine, against torch's."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.training.schedules import Cosine


def test_torchs_closed_form():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    ours = Cosine(0.3, 20, final_lr=0.01)
    for step in range(20):
        assert ours.at(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        theirs.step()


def test_the_last_rate_cannot_be_above_the_first():
    with pytest.raises(ValueError, match="final_lr must be at least 0 and at most lr"):
        Cosine(0.1, 20, final_lr=0.2)
