"""The norms of two gradients, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from processes import in_processes

from arcface_plus.models.influence import Pulled, averaged, influence
from arcface_plus.models.shards import Shards


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


def _of_shards(rank: int) -> list[float]:
    """3 rows, of which the second process has the last, and a layer that both have."""
    everything = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    own = Shards(3, rank, 2).own
    weight = everything[own].clone()
    weight.grad = 2 * weight
    shared = torch.tensor([[7.0, 8.0]])
    shared.grad = 2 * shared
    pull = everything[own] / 2
    layers = [Pulled(weight, pull, [pull], sharded=True), Pulled(shared, shared, [shared])]
    return [float(norm) for norm in influence(layers)]


def test_rows_of_other_processes_count_and_layers_of_all_count_once() -> None:
    rows, shared = sum(n * n for n in range(1, 7)), 7**2 + 8**2
    squares = [rows / 4 + shared, rows * 1.5**2 + shared, rows + shared]
    for found in in_processes(2, _of_shards):
        assert found == pytest.approx([math.sqrt(square) for square in squares])


def test_a_ratio_averaged_over_steps() -> None:
    classes, batch = 12, 3
    own = torch.randn(classes, 5, dtype=torch.float64)  # each class has one image
    own /= own.norm(dim=1, keepdim=True)
    steps = [torch.zeros_like(own) for _ in range(classes // batch)]
    for number, step in enumerate(steps):
        rows = slice(number * batch, (number + 1) * batch)
        step[rows] = own[rows] / batch
    mean = torch.stack(steps).mean(dim=0)
    one_step, whole = (0.1 / float(pull.norm()) for pull in (steps[0], mean))
    assert averaged(one_step, classes, batch) == pytest.approx(whole)
    assert averaged(0.25, classes=10, batch=64) == 0.25  # every class has images in each step
