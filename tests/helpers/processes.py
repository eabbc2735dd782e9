"""Runs a function in several processes that form a process group, and returns its results.

The processes are forked from a server that has torch imported already: this takes a tenth of a
second instead of several.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

LIMIT = 120.0  # seconds, for all of them
_IMPORTED = (
    "arcface_plus.cli", "arcface_plus.training.run", "arcface_plus.models.recognizer",
    "eval.verification", "sklearn.metrics", "torch.distributed", "torch.utils.tensorboard",
)  # fmt: skip


def prepared_processes() -> ForkServerContext:
    """Makes processes that have imported what a run needs; all tests of a worker share its server,
    and the first one to ask for it pays for the imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def in_processes(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """``function(rank, *arguments)`` in ``count`` processes with gloo; their results by rank.

    ``function`` is one of a test module; results are pickled. AssertionError if one fails.
    """
    context = prepared_processes()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        pipes, started = [], []
        for rank in range(count):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_run, args=(theirs, store, rank, count, function, arguments), daemon=True
            )
            process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        try:
            found = [_received(pipe) for pipe in pipes]
        finally:
            for process in started:
                process.kill()
                process.join()
    failed = [text for good, text in found if not good]
    assert not failed, "\n".join(failed)
    return [pickle.loads(data) for _, data in found]


def _received(pipe: Any) -> tuple[bool, Any]:
    if not pipe.poll(LIMIT):
        return False, f"no result after {LIMIT:g} s"
    try:
        good, data = pipe.recv()
    except EOFError:
        return False, "a process ended without a result"
    return bool(good), data


def _run(
    pipe: Any, store: str, rank: int, count: int, function: Callable[..., Any], arguments: Any
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=count,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    try:
        # pickled here: torch would send tensors as shared memory, which ends with this process
        result = (True, pickle.dumps(function(rank, *arguments)))
    except BaseException:
        result = (False, f"process {rank} of {count}:\n{traceback.format_exc()}")
    pipe.send(result)
    dist.barrier() if result[0] else None
    dist.destroy_process_group()
