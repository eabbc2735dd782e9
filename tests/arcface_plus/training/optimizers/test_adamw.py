"""AdamW against its formula, with a loss scaler, and resumed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from arcface_plus.training.optimizers import AdamW


def trained(layer: nn.Linear, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)
        optimizer.zero_grad()
        layer(torch.linspace(-1, 1, 6, dtype=layer.weight.dtype)).square().sum().backward()
        optimizer.step()


def test_the_papers_formula_with_decay_outside_the_moments():
    torch.manual_seed(0)
    layer = nn.Linear(6, 2, bias=False, dtype=torch.float64)
    optimizer = AdamW(layer.parameters(), lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    weight = layer.weight.detach().clone()
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    for step in range(4):
        lr = 0.01 / (step + 1)
        trained(layer, optimizer, range(step, step + 1))
        gradient = layer.weight.grad
        first = 0.8 * first + 0.2 * gradient
        second = 0.95 * second + 0.05 * gradient**2
        corrected = first / (1 - 0.8 ** (step + 1)), second / (1 - 0.95 ** (step + 1))
        weight = weight - lr * (corrected[0] / (corrected[1].sqrt() + 1e-6) + 0.1 * weight)
        torch.testing.assert_close(layer.weight.detach(), weight, rtol=1e-12, atol=1e-14)


def test_a_saved_state_resumes_bit_for_bit():
    torch.manual_seed(0)
    whole = nn.Linear(6, 2)
    parts = copy.deepcopy(whole)
    trained(whole, AdamW(whole.parameters()), range(6))
    before = AdamW(parts.parameters())
    trained(parts, before, range(3))
    after = AdamW(parts.parameters())
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    trained(parts, after, range(3, 6))
    assert torch.equal(whole.weight, parts.weight)


def test_a_first_step_skipped_by_the_scaler_has_no_effect():
    ends = []
    for losses in ([1.0, 0.5], [torch.inf, 1.0, 0.5]):
        torch.manual_seed(0)
        layer = nn.Linear(6, 2)
        optimizer = AdamW(layer.parameters())
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
        for factor in losses:
            optimizer.zero_grad()
            scaler.scale(layer(torch.linspace(-1, 1, 6)).square().sum() * factor).backward()
            scaler.step(optimizer)
            scaler.update()
        ends.append(layer.weight)
    assert torch.equal(*ends)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"betas": (0.9, 1.0)}, r"betas\[1\] must be at least 0 and below 1"),
        ({"eps": 0.0}, "eps must be positive"),
        ({"lr": -1.0}, "lr must be positive"),
        ({"weight_decay": float("inf")}, "weight_decay must be finite"),
    ],
)
def test_values_that_cannot_train_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        AdamW([nn.Parameter(torch.zeros(1))], **parameters)
