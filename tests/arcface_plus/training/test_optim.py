"""The learning rate as a function of the step, SGD against its formula, and with a loss scaler."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from arcface_plus.training.optim import Schedule, load_optimizer, set_lr, sgd


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


@pytest.fixture(params=[False, True], ids=["", "deterministic"])
def uninitialised_is_nan(request: pytest.FixtureRequest) -> Iterator[None]:
    """Torch's deterministic mode fills what it does not initialise with NaN."""
    torch.use_deterministic_algorithms(request.param)
    yield
    torch.use_deterministic_algorithms(False)


def scaled_steps(losses: list[float], layer: nn.Linear, fused: bool) -> dict[str, torch.Tensor]:
    """Weights and momentum after a step for each of these factors of the loss, by a scaler."""
    layer = copy.deepcopy(layer)
    optimizer = sgd(layer, momentum=0.9, weight_decay=5e-4, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    set_lr(optimizer, 0.1)
    for factor in losses:
        optimizer.zero_grad()
        scaler.scale(layer(torch.linspace(-1, 1, 300)).square().sum() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
    momentum = {
        f"m.{n}": optimizer.state[p]["momentum_buffer"] for n, p in layer.named_parameters()
    }
    return dict(layer.named_parameters()) | momentum


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("skipped", [1, 2])
def test_a_first_step_that_the_scaler_skips_leaves_no_trace(uninitialised_is_nan, fused, skipped):
    layer = nn.Linear(300, 200)
    plain = scaled_steps([1.0, 0.5], layer, fused)
    after = scaled_steps([torch.inf] * skipped + [1.0, 0.5], layer, fused)
    assert [name for name in plain if not torch.equal(plain[name], after[name])] == []
    nothing = scaled_steps([torch.inf] * skipped, layer, fused)
    assert torch.equal(nothing["weight"], layer.weight)
    assert not nothing["m.weight"].any()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_momentum_from_zero_has_the_bits_of_torchs_own_first_step(fused, momentum):
    layers = [nn.Linear(300, 200), nn.Linear(300, 200)]
    layers[1].load_state_dict(layers[0].state_dict())
    ours = sgd(layers[0], momentum=momentum, weight_decay=5e-4, fused=fused)
    plain = torch.optim.SGD(layers[1].parameters(), 0.0, momentum, weight_decay=5e-4, fused=fused)
    for lr in (0.1, 0.1, 0.01):
        for layer, optimizer in zip(layers, (ours, plain), strict=True):
            set_lr(optimizer, lr)
            optimizer.zero_grad()
            layer(torch.linspace(-1, 1, 300)).square().sum().backward()
            optimizer.step()
        for one, other in zip(*(layer.parameters() for layer in layers), strict=True):
            assert torch.equal(one, other)
            if momentum:
                pair = ours.state[one]["momentum_buffer"], plain.state[other]["momentum_buffer"]
                assert torch.equal(*pair)


def test_a_state_saved_before_its_first_step_goes_on_with_momentum_zero():
    """As unfused SGD saves it when the scaler has skipped every step so far."""
    layer = nn.Linear(3, 2)
    old = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    new = sgd(layer, momentum=0.9, weight_decay=5e-4)
    load_optimizer(new, old.state_dict())
    for parameter in layer.parameters():
        assert torch.equal(new.state[parameter]["momentum_buffer"], torch.zeros_like(parameter))
