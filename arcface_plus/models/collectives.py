"""What the classifier exchanges with the other processes of torch's default group.

Every process must make the same calls in the same order. None waits for a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def gather_rows(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows of all processes, in the order of their ranks: (sum of ``sizes``, …).

    ``rows`` (n, …): this process's; ``sizes``: how many each process has. Not differentiable.
    """
    longest = max(sizes)
    found = rows.new_empty((len(sizes) * longest, *rows.shape[1:]))
    dist.all_gather_into_tensor(found, _padded(rows.contiguous(), longest))
    return _without_padding(found, sizes)


def own_rows_of_sum(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """The sum of ``rows`` (sum of ``sizes``, …) over all processes, of which each gets its own."""
    longest, rank = max(sizes), dist.get_rank()
    parts = [_padded(part, longest) for part in rows.split(list(sizes))]
    whole = rows.contiguous() if min(sizes) == longest else torch.cat(parts)
    found = rows.new_empty((longest, *rows.shape[1:]))
    dist.reduce_scatter_tensor(found, whole)
    return found[: sizes[rank]]


def largest_(value: Tensor) -> Tensor:
    """The largest over all processes, element by element, in place."""
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return value


def sum_(value: Tensor) -> Tensor:
    """The sum over all processes, element by element, in place."""
    dist.all_reduce(value)
    return value


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a scalar over all processes; its gradient is that of this process's ``value``.

    For gradients that are averaged over the processes after the backward pass: they are then those
    of the mean.
    """
    found: Tensor = _Mean.apply(value)
    return found


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their means over all processes."""
    for parameter in parameters:
        if parameter.grad is not None:
            sum_(parameter.grad).div_(dist.get_world_size())


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return sum_(value.clone()).div_(dist.get_world_size())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def _padded(rows: Tensor, length: int) -> Tensor:
    """``rows`` with zeros below, so that all processes send as many."""
    if len(rows) == length:
        return rows
    return torch.cat([rows, rows.new_zeros((length - len(rows), *rows.shape[1:]))])


def _without_padding(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    longest = max(sizes)
    if min(sizes) == longest:
        return rows
    return torch.cat([rows[i * longest : i * longest + size] for i, size in enumerate(sizes)])
