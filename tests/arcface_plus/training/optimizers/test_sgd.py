"""SGD against its formula, with a loss scaler, and from states saved by other versions."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from arcface_plus.training.optimizers import SGD


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_momentum_and_decay_on_everything_that_trains(nesterov):
    torch.manual_seed(0)
    layer = nn.Linear(3, 2, dtype=torch.float64)
    layer.bias.requires_grad_(False)
    optimizer = SGD(trained(layer), momentum=0.9, weight_decay=5e-4, nesterov=nesterov)
    weight, velocity = layer.weight.detach().clone(), torch.zeros(2, 3, dtype=torch.float64)
    for step in range(3):
        set_lr(optimizer, 0.1 / (step + 1))
        optimizer.zero_grad()
        layer(torch.ones(1, 3, dtype=torch.float64)).square().sum().backward()
        gradient = layer.weight.grad + 5e-4 * weight
        velocity = 0.9 * velocity + gradient
        direction = gradient + 0.9 * velocity if nesterov else velocity
        weight = weight - 0.1 / (step + 1) * direction
        optimizer.step()
        assert torch.allclose(layer.weight, weight, rtol=0, atol=1e-15)
    assert len(optimizer.param_groups[0]["params"]) == 1


def test_a_state_saved_unfused_resumes_fused_with_its_momentum():
    layers = [nn.Linear(3, 2), nn.Linear(3, 2)]
    layers[1].load_state_dict(layers[0].state_dict())
    old = torch.optim.SGD(layers[0].parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    new = SGD(layers[1].parameters())
    layers[0](torch.ones(1, 3)).sum().backward()
    old.step()
    new.load_state_dict(old.state_dict())
    assert new.param_groups[0]["fused"] is True
    for one, other in zip(old.state.values(), new.state.values(), strict=True):
        assert torch.equal(one["momentum_buffer"], other["momentum_buffer"])


def trained(layer: nn.Module) -> list[nn.Parameter]:
    return [p for p in layer.parameters() if p.requires_grad]


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


@pytest.fixture(params=[False, True], ids=["", "deterministic"])
def uninitialized_is_nan(request: pytest.FixtureRequest) -> Iterator[None]:
    """Torch's deterministic mode fills uninitialized memory with NaN."""
    torch.use_deterministic_algorithms(request.param)
    yield
    torch.use_deterministic_algorithms(False)


def scaled_steps(losses: list[float], layer: nn.Linear) -> dict[str, torch.Tensor]:
    """Weights and momentum after one scaled step for each of these factors of the loss."""
    layer = copy.deepcopy(layer)
    optimizer = SGD(layer.parameters())
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


@pytest.mark.parametrize("skipped", [1, 2])
def test_a_first_step_skipped_by_the_scaler_has_no_effect(uninitialized_is_nan, skipped):
    layer = nn.Linear(300, 200)
    plain = scaled_steps([1.0, 0.5], layer)
    after = scaled_steps([torch.inf] * skipped + [1.0, 0.5], layer)
    assert [name for name in plain if not torch.equal(plain[name], after[name])] == []
    nothing = scaled_steps([torch.inf] * skipped, layer)
    assert torch.equal(nothing["weight"], layer.weight)
    assert not nothing["m.weight"].any()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_momentum_from_zero_is_bit_identical_to_torchs_first_step(momentum):
    layers = [nn.Linear(300, 200), nn.Linear(300, 200)]
    layers[1].load_state_dict(layers[0].state_dict())
    ours = SGD(layers[0].parameters(), momentum=momentum)
    plain = torch.optim.SGD(layers[1].parameters(), 0.1, momentum, weight_decay=5e-4, fused=True)
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


def test_a_state_saved_before_its_first_step_resumes_with_zero_momentum():
    """As unfused SGD saves it when the scaler has skipped every step so far."""
    layer = nn.Linear(3, 2)
    old = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    new = SGD(layer.parameters())
    new.load_state_dict(old.state_dict())
    for parameter in layer.parameters():
        assert torch.equal(new.state[parameter]["momentum_buffer"], torch.zeros_like(parameter))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"lr": 0.0}, "lr must be positive"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and at least 0"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum above 0"),
    ],
)
def test_values_that_cannot_train_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        SGD([nn.Parameter(torch.zeros(1))], **parameters)
