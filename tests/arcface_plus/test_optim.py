"""The learning rate as a function of the step, and SGD against its formula."""

from __future__ import annotations

import torch
from torch import nn

from arcface_plus.optim import Schedule, load_optimizer, set_lr, sgd


def test_the_papers_schedule():
    schedule = Schedule(0.1, (23_750, 33_250), 0.1, 0)
    assert [schedule.at(s) for s in (0, 23_749)] == [0.1, 0.1]
    for step, rate in ((23_750, 0.01), (33_249, 0.01), (33_250, 0.001), (37_999, 0.001)):
        assert abs(schedule.at(step) - rate) < 1e-12


def test_warm_up_begins_small_and_ends_at_the_full_rate():
    schedule = Schedule(0.1, (), 0.1, 4)
    assert [round(schedule.at(s), 6) for s in range(5)] == [0.025, 0.05, 0.075, 0.1, 0.1]


def test_sgd_is_momentum_and_decay_on_everything_that_trains():
    torch.manual_seed(0)
    layer = nn.Linear(3, 2, dtype=torch.float64)
    layer.bias.requires_grad_(False)
    optimizer = sgd(layer, momentum=0.9, weight_decay=5e-4)
    weight, velocity = layer.weight.detach().clone(), torch.zeros(2, 3, dtype=torch.float64)
    for step in range(3):
        set_lr(optimizer, 0.1 / (step + 1))
        optimizer.zero_grad()
        layer(torch.ones(1, 3, dtype=torch.float64)).square().sum().backward()
        gradient = layer.weight.grad + 5e-4 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - 0.1 / (step + 1) * velocity
        optimizer.step()
        assert torch.allclose(layer.weight, weight, rtol=0, atol=1e-15)
    assert len(optimizer.param_groups[0]["params"]) == 1


def test_a_state_saved_unfused_goes_on_fused_with_its_momentum():
    layers = [nn.Linear(3, 2), nn.Linear(3, 2)]
    layers[1].load_state_dict(layers[0].state_dict())
    old = torch.optim.SGD(layers[0].parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    new = sgd(layers[1], momentum=0.9, weight_decay=5e-4)
    layers[0](torch.ones(1, 3)).sum().backward()
    old.step()
    load_optimizer(new, old.state_dict())
    assert new.param_groups[0]["fused"] is True
    for one, other in zip(old.state.values(), new.state.values(), strict=True):
        assert torch.equal(one["momentum_buffer"], other["momentum_buffer"])
