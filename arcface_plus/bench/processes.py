"""Measurements in several processes of one thread that form a process group on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

_LIMIT = timedelta(minutes=30)


def in_process_group(count: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(rank, count, *arguments)`` in ``count`` processes (gloo, one thread each).

    Returns what the first one returns; the others' results are dropped. ``function`` must be
    importable. RuntimeError if that process ends without a result, or after half an hour.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        started = []
        for rank in range(count):
            sent = (theirs if rank == 0 else None, store, rank, count, function, arguments)
            started.append(context.Process(target=_run, args=sent, daemon=True))
        try:
            for process in started:
                process.start()
            theirs.close()
            if not ours.poll(_LIMIT.total_seconds()):
                raise RuntimeError(f"the benchmark took longer than {_LIMIT}")
            return ours.recv()
        except EOFError:
            raise RuntimeError("a process of the benchmark ended without a result") from None
        finally:
            for process in started:
                if process.pid is not None:
                    process.kill()
                    process.join()


def _run(
    pipe: Connection | None,
    store: Path,
    rank: int,
    count: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=count, timeout=_LIMIT
    )
    result = function(rank, count, *arguments)
    dist.barrier()
    if pipe is not None:
        pipe.send(result)
    # Whoever leaves first breaks the connections of the others: all stay until they are killed.
    parent = parent_process()
    assert parent is not None
    parent.join()
