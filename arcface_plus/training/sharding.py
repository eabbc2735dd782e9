"""Whether a run's class weights are split over its processes."""

from __future__ import annotations

from fnmatch import fnmatchcase

from arcface_plus.config.sections import Regularizer
from arcface_plus.config.tree import RunConfig
from arcface_plus.models.layers import CLASSIFIER
from arcface_plus.models.shards import Shards
from arcface_plus.runtime import Processes
from data_prep.errors import UserError

WORTH_HAVING = 64_000_000
"""Bytes that `auto` must save on each process: less is lost in any GPU's memory, and copies spare
the exchanges of the softmax."""
_BYTES = 12  # weight, gradient and momentum in float32


def class_shards(config: RunConfig, classes: int, processes: Processes) -> Shards:
    """Which classes this process holds; UserError if a regularizer needs all of them on one."""
    weights, whole = config.class_weights, Shards(classes)
    setting = weights.held
    if setting == "replicated" or processes.count == 1:
        return whole
    unable = [term.name for term in config.regularizers if _needs_all_classes(term)]
    if setting == "sharded" and unable:
        raise UserError(
            f"model.classifier: sharded is not possible with regularizer {unable[0]} on the "
            "classifier; use model.classifier: replicated"
        )
    rows = classes * config.head.build().sub_centres
    saved = _BYTES * rows * weights.dimensions * (1 - 1 / processes.count)
    if setting == "sharded" or (saved >= WORTH_HAVING and not unable):
        return Shards(classes, processes.rank, processes.count)
    return whole


def _needs_all_classes(term: Regularizer) -> bool:
    built = term.build()
    if not (built.acts and term.weight > 0.0) or built.over_shards or term.layers == "hidden":
        return False
    return isinstance(term.layers, str) or any(fnmatchcase(CLASSIFIER, p) for p in term.layers)


def how_held(shards: Shards, processes: Processes) -> str:
    """Where the class weights are, for the line with which a run begins; empty for one process."""
    if processes.count == 1:
        return ""
    way = "sharded over" if shards.count > 1 else "replicated on"
    return f", class weights {way} {processes.count} processes"
