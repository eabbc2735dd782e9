"""`train --dry-run`: a run up to its first step, in memory, without writing anything."""

from __future__ import annotations

import time
from pathlib import Path

from torch import nn

from arcface_plus.config.tree import RunConfig
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.finished import is_finished
from arcface_plus.run_directory.prepare import check_usable
from arcface_plus.run_directory.resuming import load_fitting
from arcface_plus.runtime import peak_memory
from arcface_plus.training.assembly import (
    build_loader,
    build_recognizer,
    build_updater,
)
from arcface_plus.training.groundwork import Groundwork, lay_groundwork
from arcface_plus.training.initial_weights import read_initial_weights
from arcface_plus.training.run import how_to_extend, what_is_trained


def rehearse(config: RunConfig, run: Path, fresh: bool) -> list[str]:
    """Describe what `execute` would do, line by line; UserError where it would raise one.

    Of several processes the first has lines, the others none.
    """
    ground = lay_groundwork(config)
    check_usable(run, config, fresh)
    checkpoint = None if fresh else Checkpoints(run, config.checkpoint.keep).last()
    step = load_fitting(checkpoint, ground.conditions).step if checkpoint else 0
    if step >= config.optimizer.steps and is_finished(run, step, config.eval.names):
        return _first_only(ground, [f"{run}: finished at step {step}; {how_to_extend(step)}"])
    side = ground.side
    recognizer = build_recognizer(config, ground.source.classes, ground.processes, side)
    initial = None
    if step == 0:
        initial = read_initial_weights(config, run, ground.conditions, ground.processes)
    targets = ", ".join(config.eval.names) or "none"
    lines = [
        f"would train {what_is_trained(config, ground)}",
        f"run directory: {run}, {_state(run, step, fresh)}",
        *([initial.load_into(recognizer)] if initial else []),
        _sizes(recognizer.backbone, recognizer.classifier),
        f"evaluation on {targets}, every {config.eval.every} steps",
        _first_step(config, ground, recognizer),
    ]
    return _first_only(ground, lines)


def _first_only(ground: Groundwork, lines: list[str]) -> list[str]:
    """One of several processes describes the run."""
    return lines if ground.processes.first else []


def _state(run: Path, step: int, fresh: bool) -> str:
    if step:
        return f"resumed at step {step}"
    if fresh and Checkpoints(run, keep=1).last() is not None:
        return "whose run would be discarded (--fresh)"
    return "from the first step"


def _sizes(backbone: nn.Module, classifier: Classifier) -> str:
    """The number of parameters in all processes, and the size of a checkpoint of them and their
    momentum."""
    count = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in (("network", backbone), ("class weights", classifier))
    }
    for parameter in classifier.sharded_parameters():
        elsewhere = classifier.shards.rows - len(parameter)
        count["class weights"] += elsewhere * parameter.shape[1:].numel()
    megabytes = 8 * sum(count.values()) / 1e6  # float32, and as much momentum
    parts = ", ".join(f"{number:,} in the {name}" for name, number in count.items())
    return f"parameters: {parts}; about {megabytes:.0f} MB per checkpoint"


def _first_step(config: RunConfig, ground: Groundwork, recognizer: Recognizer) -> str:
    """Make the first step of a new run on a real batch; the updated weights are discarded."""
    data = config.data.model_copy(update={"cache": "none"})  # one batch needs no cache
    config = config.model_copy(update={"data": data})
    side = ground.side
    updater, uncompiled = build_updater(config, recognizer, ground.device, ground.processes, side)
    loader = build_loader(config, ground)
    try:
        batch = next(loader.batches(0, 1))
        begun = time.perf_counter()
        losses = updater.make(batch, 0, True).losses
        total = float(losses.total)
    finally:
        loader.close()
    memory = peak_memory(ground.device).get("peak_memory_mb")
    used = f", {memory:.0f} MB at the peak" if memory else ""
    why = f"; runtime.compile is not possible here ({uncompiled})" if uncompiled else ""
    seconds = time.perf_counter() - begun
    return f"first step: loss {total:.3f} in {seconds:.2f} s{used}{why}; nothing was written"
