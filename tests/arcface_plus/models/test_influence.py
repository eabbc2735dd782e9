"""The norms of two gradients, by hand."""

from __future__ import annotations

import math

import torch

from arcface_plus.models.influence import Pulled, influence


def test_norms_over_all_layers_together() -> None:
    first, second = torch.tensor([[6.0, 8.0]]), torch.tensor([[0.0]])
    first.grad = torch.tensor([[3.0, 7.0]])  # of which (0, 3) and (0, 4) from two terms
    second.grad = torch.tensor([[5.0]])  # of which 1 from the first term
    one, two = torch.tensor([[0.0, 3.0]]), torch.tensor([[0.0, 4.0]])
    other = torch.tensor([[1.0]])
    found = influence([Pulled(first, one, [one, two]), Pulled(second, other, [other])])
    assert found.term.item() == math.sqrt(9 + 1)
    assert found.data.item() == math.sqrt(9 + 16)
    assert found.weights.item() == 10.0
    assert found.ratio.item() == math.sqrt(10) / 5
    assert torch.equal(first.grad, torch.tensor([[3.0, 7.0]]))  # as it was


def test_without_a_gradient_of_the_loss() -> None:
    weight, pull = torch.ones(2, 2), torch.zeros(2, 2)
    assert bool(influence([Pulled(weight, pull, [pull])]).ratio.isnan())
