"""Exchanges between processes, with equal and with unequal numbers of rows."""

from __future__ import annotations

import pytest
import torch
from processes import in_processes
from torch import Tensor, nn

from arcface_plus.models.collectives import (
    average_gradients,
    gather_rows,
    largest_,
    mean_over_processes,
    own_rows_of_sum,
    sum_,
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


def summed(rank: int, sizes: tuple[int, ...]) -> Tensor:
    return own_rows_of_sum(torch.arange(2.0 * sum(sizes)).view(-1, 2) * 10**rank, sizes)


@pytest.mark.parametrize("sizes", SIZES)
def test_each_process_gets_its_rows_of_the_sum(sizes: tuple[int, ...]) -> None:
    found = in_processes(len(sizes), summed, sizes)
    assert [len(rows) for rows in found] == list(sizes)
    factor = sum(10**rank for rank in range(len(sizes)))
    assert torch.equal(torch.cat(found), torch.arange(2.0 * sum(sizes)).view(-1, 2) * factor)


def reduced(rank: int) -> tuple[Tensor, ...]:
    weight, idle = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.zeros(1))
    mean = mean_over_processes(weight * (rank + 1))
    mean.backward()
    own = weight.grad.clone()
    average_gradients([weight, idle])
    value = torch.tensor([float(rank), -float(rank)])
    assert idle.grad is None
    return mean.detach(), own, weight.grad, largest_(value.clone()), sum_(value)


def test_scalars_and_gradients() -> None:
    for rank, (mean, own, average, largest, total) in enumerate(in_processes(3, reduced)):
        assert float(mean) == 4.0
        assert float(own) == rank + 1  # its own term's, until gradients are averaged
        assert float(average) == 2.0
        assert largest.tolist() == [2.0, 0.0]
        assert total.tolist() == [3.0, -3.0]
