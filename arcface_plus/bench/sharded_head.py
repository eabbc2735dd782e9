"""The head of several processes that share the classes, against one that has them all.

On the CPU with one thread a process. Both compute the whole batch, forward and backward; P
processes would ideally need a P-th of the time of one. That one is timed twice: alone, and in all
processes at once, when they compete for memory as they do while they share. Turns interleave.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist

from arcface_plus.bench.timing import measure
from arcface_plus.data.order import equal_parts
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.shards import Shards

CLASSES, BATCH, DIMENSIONS = 100_000, 256, 512
ALONE, AT_ONCE, SHARDED = "all classes, alone", "all classes, at once", "sharded"
_LIMIT = timedelta(minutes=10)


def run(
    processes: int, classes: int = CLASSES, batch: int = BATCH, turns: int = 5
) -> dict[str, Any]:
    """Returns ``{"title": str, "rows": [{…}]}``. A row: name; milliseconds (median of ``turns``);
    ideal_milliseconds, those of one process divided by their number; ratio of the two; megabytes
    of weight, gradient and momentum in a process (10⁶ bytes)."""
    seconds = _in_processes(processes, classes, batch, turns)
    taken = {name: 1e3 * median(values) for name, values in seconds.items()}
    whole = 12 * classes * DIMENSIONS / 1e6
    rows: list[dict[str, Any]] = [
        {"name": name, "milliseconds": taken[name], "megabytes": whole} for name in (ALONE, AT_ONCE)
    ]
    rows += [
        {
            "name": f"{SHARDED}, against {name}",
            "milliseconds": taken[SHARDED],
            "ideal_milliseconds": taken[name] / processes,
            "ratio": taken[SHARDED] * processes / taken[name],
            "megabytes": 12 * Shards(classes, 0, processes).length * DIMENSIONS / 1e6,
        }
        for name in (ALONE, AT_ONCE)
    ]
    title = (
        f"ArcFace head over {processes} processes of one thread (CPU, gloo): {classes:,} classes × "
        f"{DIMENSIONS}, batch {batch}, forward + backward; medians of {turns} turns"
    )
    return {"title": title, "rows": rows}


def _in_processes(processes: int, classes: int, batch: int, turns: int) -> dict[str, list[float]]:
    """Seconds of each turn of each way, as the first process sees them."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        started = [
            context.Process(
                target=_measure,
                args=(theirs, Path(folder) / "store", rank, processes, classes, batch, turns),
                daemon=True,
            )
            for rank in range(processes)
        ]
        try:
            for process in started:
                process.start()
            theirs.close()
            if not ours.poll(_LIMIT.total_seconds()):
                raise TimeoutError(f"the benchmark took longer than {_LIMIT}")
            seconds: dict[str, list[float]] = ours.recv()
            return seconds
        finally:
            for process in started:
                process.kill()
                process.join()


def _measure(
    pipe: Connection, store: Path, rank: int, count: int, classes: int, batch: int, turns: int
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=count, timeout=_LIMIT
    )
    at_once, shared = (
        _step(classes, batch, None),
        _step(classes, batch, Shards(classes, rank, count)),
    )
    ways = {ALONE: at_once if rank == 0 else _nothing, AT_ONCE: at_once, SHARDED: shared}
    seconds = measure(ways, turns, synchronize=dist.barrier)
    if rank == 0:
        pipe.send(seconds)
    dist.barrier()


def _step(classes: int, batch: int, shards: Shards | None) -> Callable[[], None]:
    """Forward and backward pass of the head; with ``shards`` each process has its part of the
    batch."""
    torch.manual_seed(0)
    classifier = Classifier(DIMENSIONS, classes, ArcFace(), shards)
    embeddings, labels = torch.randn(batch, DIMENSIONS), torch.randint(classes, (batch,))
    sizes = None
    if shards is not None:
        sizes = equal_parts(batch, shards.count)
        embeddings = embeddings.split(sizes)[shards.rank].clone()
        labels = labels.split(sizes)[shards.rank]
    embeddings.requires_grad_()

    def step() -> None:
        classifier.zero_grad()
        classifier(embeddings, labels, sizes=sizes).loss.backward()

    return step


def _nothing() -> None:
    pass
