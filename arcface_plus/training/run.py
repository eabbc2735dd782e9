"""From a config to a finished run: what is checked, announced and written around training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from arcface_plus.config.tree import RunConfig
from arcface_plus.console import say
from arcface_plus.data.sources import Source, open_source
from arcface_plus.embedder.load import network_embedder
from arcface_plus.evaluation.verification import (
    VerificationReport,
    check_pair_file,
    target_file,
    verify_targets,
)
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.entries import SUMMARY_FILE
from arcface_plus.run_directory.environment import describe
from arcface_plus.run_directory.finished import is_finished
from arcface_plus.run_directory.prepare import prepare
from arcface_plus.run_directory.resuming import load_fitting
from arcface_plus.run_directory.training_state import Conditions
from arcface_plus.runtime import (
    Processes,
    join_processes,
    make_deterministic,
    resolve_device,
    resolve_precision,
)
from arcface_plus.training.accumulation import part_sizes
from arcface_plus.training.assembly import (
    build_recognizer,
    build_trainer,
    channels_last,
    load_initial_weights,
)
from data_prep.errors import UserError
from data_prep.files import write_text

VERIFY_BATCH = 128


def execute(config: RunConfig, run: str | Path, fresh: bool = False) -> None:
    """Train `config` in the directory `run`, from its last checkpoint if it has one."""
    run = Path(run)
    processes = join_processes()
    device = _chosen_device(config, processes)
    _check_settings(config, processes.count)
    source = _checked_source(config, processes.first)
    verify = _verifier(config, device)
    checkpoint = _prepared(config, run, fresh, processes)
    conditions = _conditions(config, source, device)
    training = load_fitting(checkpoint, conditions) if checkpoint else None
    step = training.step if training else 0
    if step >= config.optimizer.steps and is_finished(run, step, config.eval.targets):
        if processes.first:
            say(f"{run}: finished at step {step}; to train longer, raise optimizer.steps")
        return
    if processes.first:
        describe(run, config, device, processes.count)
        _announce(run, config, source, device, step)
    trainer = build_trainer(config, run, source, verify, conditions, device, processes, step)
    try:
        if checkpoint and training:
            trainer.restore(checkpoint, training)
        summary = trainer.run()
    finally:
        trainer.close()
    if processes.first:
        write_text(run / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")


def verify_untrained(config: RunConfig) -> dict[str, float]:
    """Accuracy by target of the network as it is before its first step."""
    device = resolve_device(config.runtime.device)
    backbone = build_recognizer(config, classes=2).backbone.eval().to(device)
    return _verifier(config, device)(backbone).accuracies


def _chosen_device(config: RunConfig, processes: Processes) -> torch.device:
    """This process's device, told how to compute."""
    device = resolve_device(config.runtime.device, processes.local_rank)
    if config.run.deterministic:
        make_deterministic()
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # few shapes, each met thousands of times
    return device


def _checked_source(config: RunConfig, speaks: bool) -> Source:
    """The training data; UserError if there is nothing to learn from them."""
    if config.data.train is None:
        raise UserError("missing key data.train (a .rec or a folder); --set data.train=PATH")
    source = open_source(Path(config.data.train))
    if source.classes < 2:
        raise UserError(f"{config.data.train}: one class only; there is nothing to tell apart")
    _check_empty_classes(source, config.data.train, speaks)
    return source


def _prepared(config: RunConfig, run: Path, fresh: bool, processes: Processes) -> Path | None:
    """Make the run directory ready; the checkpoint to continue from, if there is one."""
    checkpoints = Checkpoints(run, config.checkpoint.keep)
    if config.model.init and (fresh or checkpoints.last() is None):
        load_initial_weights(config.model.build_backbone(), config)  # before anything is written
    if processes.first:
        prepare(run, config, fresh)
    processes.barrier()
    return checkpoints.last()


def _conditions(config: RunConfig, source: Source, device: torch.device) -> Conditions:
    return Conditions(
        classes=source.classes,
        samples=len(source),
        data_digest=source.digest(),
        precision=resolve_precision(config.runtime.precision, device),
        channels_last=channels_last(config),
    )


def _check_empty_classes(source: Source, name: str, speaks: bool) -> None:
    """Class weights are made for every label up to the largest: a gap is a mistake or a waste."""
    present = len(np.unique(source.labels))
    empty = source.classes - present
    if empty > max(1000, 10 * present):
        raise UserError(
            f"{name}: labels go up to {source.classes - 1}, but only {present} classes have images;"
            " pack the set again (data extract, data pack) so that labels count from 0 without gaps"
        )
    if empty and speaks:
        say(f"{name}: {empty} of {source.classes} classes have no images", style="yellow")


def _check_settings(config: RunConfig, processes: int) -> None:
    """What does not fit together is said before anything is read or built."""
    if config.data.batch_size % processes:
        raise UserError(
            f"data.batch_size {config.data.batch_size} is not divisible by the "
            f"{processes} processes"
        )
    if config.runtime.activation_checkpointing and config.runtime.compile is True:
        raise UserError(
            "runtime.compile: true and runtime.activation_checkpointing: true exclude each other; "
            "set one of them to false"
        )
    share = config.data.batch_size // processes
    if share < 2:
        raise UserError(
            f"data.batch_size {config.data.batch_size} leaves one image to each of the "
            f"{processes} processes, which batch norm cannot normalise; make it larger"
        )
    if part_sizes(share, config.data.micro_batch_size)[-1] < 2:
        raise UserError(
            f"data.micro_batch_size {config.data.micro_batch_size} leaves one image alone, which "
            "batch norm cannot normalise; make it larger"
        )


def _verifier(config: RunConfig, device: torch.device) -> Callable[[nn.Module], VerificationReport]:
    """Verification as the trainer calls it. What is wrong with a pair file is said now."""
    train = Path(config.data.train or "")
    data = Path(config.eval.data) if config.eval.data else train if train.is_dir() else train.parent
    for target in config.eval.targets:
        check_pair_file(target_file(data, target))

    def verify(backbone: nn.Module) -> VerificationReport:
        embedder = network_embedder(backbone, device, config.model.backbone.name)
        return verify_targets(embedder, data, config.eval.targets, batch_size=VERIFY_BATCH)

    return verify


def _announce(
    run: Path, config: RunConfig, source: Source, device: torch.device, step: int
) -> None:
    batch = config.data.batch_size
    begun = f"resumes at step {step}" if step else "starts"
    term = config.regularizer
    plus = f" + {term.weight:g}·{term.name}" if term.name != "none" else ""
    say(
        f"{config.run.name}: {begun} in {run} on {device}: {len(source)} images of "
        f"{source.classes} classes, {config.model.backbone.name}, {config.head.name}{plus}, "
        f"batch {batch} ({len(source) / batch:.0f} steps an epoch), {config.optimizer.steps} steps",
    )
