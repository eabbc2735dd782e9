"""Exchange of single rows between the processes that hold the parts of one matrix.

Values stay on their device; how many there are is exchanged on the CPU, so that with a GPU the
default process group needs a backend for both ("cpu:gloo,cuda:nccl"). Every function here is
collective: all processes must call it, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from arcface_plus.models.collectives import gather_rows
from arcface_plus.models.shards import Shards


def gathered(own: Tensor, shards: Shards) -> Tensor:
    """The values (rows, …) of all rows, from each process's ``own`` (own rows, …)."""
    return own if shards.count == 1 else gather_rows(own, shards.sizes)


def summed(own: Tensor, shards: Shards) -> Tensor:
    """The sum of a small tensor over processes, in their order: the same bits on every process."""
    if shards.count == 1:
        return own
    every = own.new_empty(shards.count, own.numel())
    dist.all_gather_into_tensor(every, own.reshape(1, -1))
    return every.sum(dim=0).view(own.shape)


def mean_over_rows(own: Sequence[Tensor], shards: Shards) -> Tensor:
    """The means over all rows of several values a row, each (own rows,): (len(own),)."""
    if shards.count == 1:
        return torch.stack([values.mean() for values in own])
    return summed(torch.stack([values.sum() for values in own]), shards) / shards.rows


class Wanted:
    """Rows that this process needs from their holders, each of them once.

    Waits for a GPU: how many rows come from each process must be known.

    ``rows`` (u,) int64: the row numbers, ascending. ``position``: where in ``rows`` each of the
    ``numbers`` is found, int64 in their shape. ``served`` (s,) int64: what the others want of this
    process's rows, numbered from 0: by process, ascending in each.
    """

    def __init__(self, numbers: Tensor, shards: Shards) -> None:
        self._own = shards.own
        self.rows, self.position = numbers.long().unique(return_inverse=True)
        holder = shards.owner(self.rows)
        asked = torch.bincount(holder, minlength=shards.count).cpu()
        asking = torch.empty_like(asked)
        dist.all_to_all_single(asking, asked)
        self._asked, self._asking = asked.tolist(), asking.tolist()
        self.served = self._exchanged(self.rows, self._asked, self._asking) - self._own.start

    def fetch(self, own: Tensor) -> Tensor:
        """The wanted rows (u, …) of a matrix of which this process holds the rows ``own``."""
        return self._exchanged(own[self.served], self._asking, self._asked)

    def give_back(self, values: Tensor) -> Tensor:
        """Send ``values`` (u, …) of the wanted rows to their holders; returns what this process
        gets: values (s, …) of its rows ``served``."""
        return self._exchanged(values, self._asked, self._asking)

    @staticmethod
    def _exchanged(values: Tensor, sent: list[int], received: list[int]) -> Tensor:
        found = values.new_empty(sum(received), *values.shape[1:])
        dist.all_to_all_single(found, values.contiguous(), received, sent)
        return found
