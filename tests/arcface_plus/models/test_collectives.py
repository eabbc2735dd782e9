"""Exchanges between processes, with equal and with unequal numbers of rows."""

from __future__ import annotations

import pytest
import torch
from processes import in_processes
from torch import Tensor, nn

from arcface_plus.models.collectives import (
    average_gradients,
    for_averaging,
    gather_for_repeated_work,
    gather_for_shared_work,
    gather_rows,
    largest_,
    sum_,
    sum_for_repeated_work,
    sum_for_shared_work,
    sum_gradients,
)

SIZES = [(2, 2), (3, 2), (1, 0, 2)]


def mine(rank: int, sizes: tuple[int, ...]) -> slice:
    return slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))


def gathered(rank: int, sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    rows = torch.arange(3.0 * sum(sizes)).view(-1, 3).T.contiguous().T  # not contiguous
    own = mine(rank, sizes)
    return gather_rows(rows[own], sizes), gather_rows(torch.arange(sum(sizes))[own], sizes)


@pytest.mark.parametrize("sizes", SIZES)
def test_rows_are_gathered_in_order(sizes: tuple[int, ...]) -> None:
    total = sum(sizes)
    for rows, numbers in in_processes(len(sizes), gathered, sizes):
        assert torch.equal(rows, torch.arange(3.0 * total).view(-1, 3))
        assert torch.equal(numbers, torch.arange(total))


def both_works(rank: int, sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Gradients of this process's rows where each works with them 10^rank times, and where all do
    the same."""
    total = sum(sizes)
    rows = torch.zeros(sizes[rank], 2, requires_grad=True)
    pull = torch.arange(2.0 * total).view(total, 2)
    (gather_for_shared_work(rows, sizes) * pull * 10**rank).sum().backward()
    assert rows.grad is not None
    shared, rows.grad = rows.grad, None
    (gather_for_repeated_work(rows, sizes) * pull).sum().backward()
    assert rows.grad is not None
    return shared, rows.grad


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_of_gathered_rows(sizes: tuple[int, ...]) -> None:
    shared, repeated = zip(*in_processes(len(sizes), both_works, sizes), strict=True)
    pull = torch.arange(2.0 * sum(sizes)).view(-1, 2)
    assert [len(rows) for rows in shared] == list(sizes)
    assert torch.equal(torch.cat(shared), pull * sum(10**rank for rank in range(len(sizes))))
    assert torch.equal(torch.cat(repeated), pull)


def scalars(rank: int) -> dict[str, Tensor]:
    weight, idle = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.zeros(1))

    def slope(value: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(value, weight)
        return found

    total = sum_for_repeated_work(weight * (rank + 1))
    shared = sum_for_shared_work(weight * (rank + 1))
    found = {
        "sum": total.detach(),
        "of the sum": slope(total),
        "same sum": shared.detach(),
        "of shared work": slope(shared * 10**rank),
        "of what is averaged": slope(for_averaging(weight) * 10**rank),
        "largest": largest_(torch.tensor([float(rank), -float(rank)])),
        "total": sum_(torch.tensor([float(rank), -float(rank)])),
    }
    weight.grad = torch.tensor(float(rank))
    average_gradients([weight, idle])
    found["average"], weight.grad = weight.grad, torch.tensor(float(rank))
    sum_gradients([weight, idle])
    assert idle.grad is None
    return found | {"summed": weight.grad}


def test_scalars_and_their_gradients() -> None:
    for rank, found in enumerate(in_processes(3, scalars)):
        assert {name: value.tolist() for name, value in found.items()} == {
            "sum": 12.0,
            "of the sum": rank + 1,
            "same sum": 12.0,
            "of shared work": 111.0 * (rank + 1),
            "of what is averaged": 3.0 * 10**rank,
            "largest": [2.0, 0.0],
            "total": [3.0, -3.0],
            "average": 1.0,
            "summed": 3.0,
        }
