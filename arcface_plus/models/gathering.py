"""Values of all processes, for statistics of the whole batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


@torch.no_grad()
def from_all_processes(values: Tensor) -> Tensor:
    """``values`` (n, …) of every process, one after the other: (processes · n, …), detached.

    A collective call if there is a process group; every process must have the same n.
    """
    count = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if count == 1:
        return values.detach()
    parts = [torch.empty_like(values) for _ in range(count)]
    dist.all_gather(parts, values.detach().contiguous())
    return torch.cat(parts)
