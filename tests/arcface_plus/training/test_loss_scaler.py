"""The loss scaler: off without fp16, one decision for all processes."""

from __future__ import annotations

import pytest
import torch
from processes import in_processes
from torch import nn

from arcface_plus.training.loss_scaler import loss_scaler
from arcface_plus.training.optimizers import SGD

CPU = torch.device("cpu")


@pytest.mark.parametrize("processes", [1, 2])
def test_only_fp16_scales(processes: int) -> None:
    assert loss_scaler(CPU, "fp16", processes).get_scale() == 2.0**16
    scaler, optimizer = loss_scaler(CPU, "fp32", processes), SGD([nn.Parameter(torch.ones(1))])
    scaler.unscale_(optimizer)  # no collective call
    assert not scaler.is_enabled()


def stepped(rank: int, overflowing: list[int]) -> tuple[float, float, float]:
    """The weight after a step in which some processes overflow and after a good one; the scale."""
    weight = nn.Parameter(torch.ones(1))
    optimizer, scaler = (
        SGD([weight], lr=1.0, momentum=0.0, weight_decay=0.0),
        loss_scaler(CPU, "fp16", 3),
    )
    weights = []
    for bad in (rank in overflowing, False):
        scaler.scale((weight * (torch.inf if bad else 0.25)).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        weights.append(float(weight))
    return weights[0], weights[1], scaler.get_scale()


@pytest.mark.parametrize("overflowing", [[2], [0, 1], [0, 1, 2]])
def test_an_overflow_anywhere_skips_the_step_everywhere(overflowing: list[int]) -> None:
    assert in_processes(3, stepped, overflowing) == [(1.0, 0.75, 2.0**15)] * 3
