"""Whether a run's class weights are split over its processes."""

from __future__ import annotations

from arcface_plus.config.tree import RunConfig
from arcface_plus.models.shards import Shards
from arcface_plus.runtime import Processes

WORTH_HAVING = 64_000_000
"""Bytes that `auto` must save on each process: less is lost in any GPU's memory, and copies spare
the exchanges of the softmax."""
_BYTES = 12  # weight, gradient and momentum in float32


def class_shards(config: RunConfig, classes: int, processes: Processes) -> Shards:
    """Which classes this process holds."""
    setting = config.model.classifier
    rows = classes * config.head.build().sub_centres
    saved = _BYTES * rows * config.model.embedding_dim * (1 - 1 / processes.count)
    if setting == "sharded" or (setting == "auto" and saved >= WORTH_HAVING):
        return Shards(classes, processes.rank, processes.count)
    return Shards(classes)


def how_held(shards: Shards, processes: Processes) -> str:
    """Where the class weights are, for the line with which a run begins; empty for one process."""
    if processes.count == 1:
        return ""
    way = "sharded over" if shards.count > 1 else "replicated on"
    return f", class weights {way} {processes.count} processes"
