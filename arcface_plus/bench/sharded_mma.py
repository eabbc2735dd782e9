"""MMA over processes that each hold a part of the rows, against one process that holds all.

On the CPU with one thread a process, forward and backward. P processes would ideally need a P-th of
the time. Turns interleave; the others are idle while one process works alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from arcface_plus.bench.processes import in_process_group
from arcface_plus.bench.timing import measure
from arcface_plus.models.regularizers import MMA
from arcface_plus.models.shards import Shards

SIZES = ((10_575, 512), (40_000, 512))
_ALONE, _SHARDED = "alone", "sharded"


def run(
    processes: int, sizes: Sequence[tuple[int, int]] | None = None, turns: int = 5
) -> dict[str, Any]:
    """Measure the exact search for each (rows, dimensions) in ``sizes``.

    Returns ``{"title": str, "rows": [{…}]}``: seconds of one process and of all (medians of
    ``turns``), how many times as fast that is, and both losses.
    """
    load = os.getloadavg()[0]
    rows = [
        {"rows": n, "dimensions": d, **in_process_group(processes, _measured, n, d, turns)}
        for n, d in sizes or SIZES
    ]
    title = (
        f"MMA, exact, over {processes} processes of one thread (CPU, gloo), forward + backward, "
        f"medians of {turns} turns; load before: {load:.1f} on {os.cpu_count()} cores"
    )
    return {"title": title, "rows": rows}


def _measured(rank: int, count: int, n: int, d: int, turns: int) -> dict[str, float | None]:
    shards = Shards(n, rank, count)
    whole = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
    losses: dict[str, Tensor] = {}
    alone = _step(whole, Shards(n), losses, _ALONE) if rank == 0 else _nothing
    sharded = _step(whole[shards.own].clone(), shards, losses, _SHARDED)
    taken = measure({_ALONE: alone, _SHARDED: sharded}, turns, synchronize=dist.barrier)
    seconds = {name: median(values) for name, values in taken.items()}
    return {
        "seconds_alone": seconds[_ALONE],
        "seconds": seconds[_SHARDED],
        "speedup": seconds[_ALONE] / seconds[_SHARDED],
        "loss_alone": losses[_ALONE].item() if rank == 0 else None,
        "loss": losses[_SHARDED].item(),
    }


def _step(
    weight: Tensor, shards: Shards, losses: dict[str, Tensor], name: str
) -> Callable[[], None]:
    weight.requires_grad_()
    regularizer = MMA("exact")

    def step() -> None:
        weight.grad = None
        loss = regularizer(weight, shards)
        loss.backward()
        losses[name] = loss.detach()

    return step


def _nothing() -> None:
    pass
