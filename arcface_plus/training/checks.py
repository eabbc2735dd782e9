"""Checks of a run's settings and data, before anything is built or written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from arcface_plus.config.faces import FaceConfig
from arcface_plus.config.tree import RunConfig
from arcface_plus.console import say
from arcface_plus.data.order import equal_parts
from arcface_plus.data.sources import Source, open_source
from arcface_plus.run_directory.sinks import SINKS
from arcface_plus.training.accumulation import batch_parts
from data_prep.errors import UserError


def check_settings(config: RunConfig, processes: int) -> None:
    """Raise UserError for settings that contradict each other or the number of processes."""
    if config.runtime.activation_checkpointing and config.runtime.compile is True:
        raise UserError(
            "runtime.compile: true and runtime.activation_checkpointing: true cannot be combined; "
            "set one of them to false"
        )
    check_sinks(config.logging.sinks)
    _check_shares(config.data.batch_size, config.data.micro_batch_size, processes)


def check_sinks(names: Iterable[str]) -> None:
    """Raise UserError unless the libraries of these sinks are installed."""
    for name in names:
        if not SINKS[name].is_installed():
            raise UserError(f"logging.sinks: {name} needs `pip install arcface-plus[{name}]`")


def _check_shares(batch_size: int, micro_batch_size: int | None, processes: int) -> None:
    """Raise UserError unless every process has at least two images each time."""
    shares = equal_parts(batch_size, processes)
    if min(shares) < 2:
        has = "no image" if min(shares) == 0 else "one image"
        raise UserError(
            f"data.batch_size {batch_size} leaves {has} to the last of the {processes} processes, "
            f"and batch norm needs two; make it at least {2 * processes}"
        )
    if min(map(min, batch_parts(shares, micro_batch_size))) < 2:
        raise UserError(
            f"data.micro_batch_size {micro_batch_size} makes a micro-batch of one image or none, "
            "which batch norm cannot normalize; make it larger"
        )


def checked_source(config: FaceConfig, speaks: bool) -> Source:
    """The training data; UserError if they cannot be trained on."""
    if config.data.train is None:
        raise UserError("missing key data.train (a .rec or a folder): use --set data.train=PATH")
    source = open_source(Path(config.data.train))
    if source.classes < 2:
        raise UserError(f"{config.data.train}: has only one class; training needs at least two")
    _check_empty_classes(source, config.data.train, speaks)
    return source


def _check_empty_classes(source: Source, name: str, speaks: bool) -> None:
    """Every label up to the largest gets class weights: gaps are an error or waste memory."""
    present = len(np.unique(source.labels))
    empty = source.classes - present
    if empty > max(1000, 10 * present):
        raise UserError(
            f"{name}: labels go up to {source.classes - 1}, but only {present} classes have images;"
            " pack the set again (data extract, data pack) so that labels count from 0 without gaps"
        )
    if empty and speaks:
        say(f"{name}: {empty} of {source.classes} classes have no images", style="yellow")
