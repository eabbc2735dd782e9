"""Values of all processes: in the order of the processes, the same everywhere."""

from __future__ import annotations

import torch
from processes import in_processes

from arcface_plus.models.gathering import from_all_processes


def gathered(rank: int) -> torch.Tensor:
    values = torch.tensor([[rank, 0.5], [rank, 0.25]], requires_grad=True)
    return from_all_processes(values)


def test_every_process_gets_all_values() -> None:
    expected = torch.tensor([[0, 0.5], [0, 0.25], [1, 0.5], [1, 0.25]])
    for found in in_processes(2, gathered):
        assert torch.equal(found, expected)
        assert not found.requires_grad


def test_one_process_keeps_its_own_without_gradient() -> None:
    values = torch.randn(3, requires_grad=True)
    assert torch.equal(from_all_processes(values), values)
    assert not from_all_processes(values).requires_grad
