"""The head of several processes that share the classes, against one that has them all.

On the CPU with one thread a process. Both compute the whole batch, forward and backward; P
processes would ideally need a P-th of the time of one. That one is timed twice: alone, and in all
processes at once, when they compete for memory as they do while they share. Turns interleave.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
import torch.distributed as dist

from arcface_plus.bench.processes import in_process_group
from arcface_plus.bench.timing import measure
from arcface_plus.data.order import equal_parts
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.shards import Shards

CLASSES, BATCH, DIMENSIONS = 100_000, 256, 512
ALONE, AT_ONCE, SHARDED = "all classes, alone", "all classes, at once", "sharded"


def run(
    processes: int, classes: int = CLASSES, batch: int = BATCH, turns: int = 5
) -> dict[str, Any]:
    """Returns ``{"title": str, "rows": [{…}]}``. A row: name; milliseconds (median of ``turns``);
    ideal_milliseconds, those of one process divided by their number; ratio of the two; megabytes
    of weight, gradient and momentum in a process (10⁶ bytes)."""
    seconds = in_process_group(processes, _measured, classes, batch, turns)
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


def _measured(
    rank: int, count: int, classes: int, batch: int, turns: int
) -> dict[str, list[float]]:
    """Seconds of each turn of each way."""
    at_once = _step(classes, batch, None)
    shared = _step(classes, batch, Shards(classes, rank, count))
    ways = {ALONE: at_once if rank == 0 else _nothing, AT_ONCE: at_once, SHARDED: shared}
    return measure(ways, turns, synchronize=dist.barrier)


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
