"""What the classifier exchanges with the other processes of torch's default group.

Every process must make the same calls in the same order, and so must its backward pass. No call
waits for a GPU.

Behind an exchange, work is either *shared*: each process does its part, so that the gradients of
all must be added; or *repeated*: all do the same, so that all have the same gradient already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def gather_rows(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows of all processes, in the order of their ranks: (sum of ``sizes``, …); no gradient.

    ``rows`` (n, …): this process's; ``sizes``: how many each process has.
    """
    longest = max(sizes)
    found = rows.new_empty((len(sizes) * longest, *rows.shape[1:]))
    dist.all_gather_into_tensor(found, _padded(rows.detach().contiguous(), longest))
    return _without_padding(found, sizes)


def gather_for_shared_work(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """Like ``gather_rows``; the gradient of ``rows`` is their part of the sum of all gradients."""
    return _GatherForShared.apply(rows, tuple(sizes))


def gather_for_repeated_work(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """Like ``gather_rows``; the gradient of ``rows`` is their part of this process's gradient."""
    return _GatherForRepeated.apply(rows, tuple(sizes))


def sum_for_repeated_work(value: Tensor) -> Tensor:
    """The sum over all processes; its gradient is that of each process's ``value``."""
    return _SumForRepeated.apply(value)


def sum_for_shared_work(value: Tensor) -> Tensor:
    """The sum over all processes; its gradient is the sum of those of all processes, too."""
    return _SumForShared.apply(value)


def own_part(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """This process's rows among those of all processes."""
    return rows.split(list(sizes))[dist.get_rank()]


def largest_(value: Tensor) -> Tensor:
    """The largest over all processes, element by element, in place; no gradient."""
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return value


def sum_(value: Tensor) -> Tensor:
    """The sum over all processes, element by element, in place; no gradient."""
    dist.all_reduce(value)
    return value


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their sums over all processes."""
    for parameter in parameters:
        if parameter.grad is not None:
            sum_(parameter.grad)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their means over all processes."""
    for parameter in parameters:
        if parameter.grad is not None:
            sum_(parameter.grad).div_(dist.get_world_size())


def for_averaging(value: Tensor) -> Tensor:
    """``value``, with its gradient times the number of processes.

    For what is computed on this process alone and has its whole gradient here: what it adds to
    gradients that are averaged over the processes is then what it adds to their sum.
    """
    return _ForAveraging.apply(value)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: tuple[int, ...]) -> Tensor:
        ctx.sizes = sizes
        return gather_rows(rows, sizes)


class _GatherForShared(_Gather):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        sizes = ctx.sizes
        longest = max(sizes)
        if min(sizes) < longest:
            grad = torch.cat([_padded(part, longest) for part in grad.split(list(sizes))])
        own = grad.new_empty((longest, *grad.shape[1:]))
        dist.reduce_scatter_tensor(own, grad.contiguous())
        return own[: sizes[dist.get_rank()]], None


class _GatherForRepeated(_Gather):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return own_part(grad, ctx.sizes), None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return sum_(value.clone())


class _SumForRepeated(_Sum):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _SumForShared(_Sum):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return sum_(grad.clone())


class _ForAveraging(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * dist.get_world_size()


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
