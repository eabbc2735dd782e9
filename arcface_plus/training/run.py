"""From a config to a finished run: checks, messages and files around training."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from arcface_plus.config.faces import FaceConfig
from arcface_plus.config.tree import RunConfig
from arcface_plus.console import say
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.entries import SUMMARY_FILE
from arcface_plus.run_directory.environment import describe
from arcface_plus.run_directory.finished import is_finished
from arcface_plus.run_directory.interrupted import unmark_interrupted
from arcface_plus.run_directory.prepare import claimed
from arcface_plus.run_directory.resuming import load_fitting
from arcface_plus.runtime import resolve_device
from arcface_plus.training.assembly import build_recognizer, build_trainer
from arcface_plus.training.groundwork import (
    Groundwork,
    lay_groundwork,
    target_files,
    verifier,
)
from arcface_plus.training.initial_weights import InitialWeights, read_initial_weights
from arcface_plus.training.sharding import class_shards, how_held
from data_prep.files import write_text


def execute(config: RunConfig, run: str | Path, fresh: bool = False) -> None:
    """Train `config` in the directory `run`, from its last checkpoint if it has one."""
    ground = lay_groundwork(config)
    with contextlib.ExitStack() as held:
        checkpoint, initial = _prepared(config, Path(run), fresh, ground, held)
        _execute(config, Path(run), ground, checkpoint, initial)


def _execute(
    config: RunConfig,
    run: Path,
    ground: Groundwork,
    checkpoint: Path | None,
    initial: InitialWeights | None,
) -> None:
    """Train in a directory that is ready and ours."""
    processes = ground.processes
    training = load_fitting(checkpoint, ground.conditions, processes) if checkpoint else None
    step = training.step if training else 0
    if processes.first:
        unmark_interrupted(run)
    if step >= config.optimizer.steps and is_finished(run, step, config.eval.names):
        if processes.first:
            say(f"{run}: finished at step {step}; {how_to_extend(step)}")
        return
    if processes.first:
        describe(run, config, ground.device, processes.count, ground.material.shared_images)
        say(f"{config.run.name}: {_begins(step)} in {run}: {what_is_trained(config, ground)}")
    trainer = build_trainer(config, run, ground, step, initial)
    try:
        if checkpoint and training:
            trainer.restore(checkpoint, training)
        summary = trainer.run()
    finally:
        trainer.close()
    if processes.first:
        write_text(run / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")
        for line in _closing(run, summary):
            say(f"{config.run.name}: {line}")


def verify_untrained(config: FaceConfig) -> dict[str, float]:
    """Accuracy by target of the network before its first step."""
    device = resolve_device(config.runtime.device)
    backbone = build_recognizer(config, classes=2).backbone.eval().to(device)
    return verifier(config, target_files(config), device)(backbone).accuracies


def what_is_trained(config: RunConfig, ground: Groundwork) -> str:
    """Data, network, losses and length of a run in one line."""
    batch, images = config.data.batch_size, len(ground.source)
    terms = [(term.weight, term.name) for term in config.regularizers]
    terms.append((config.auxiliary.weight, config.auxiliary.name))
    plus = "".join(f" + {weight:g}·{name}" for weight, name in terms if name != "none")
    shards = class_shards(config, ground.source.classes, ground.processes)
    held = how_held(shards, ground.processes)
    return (
        f"{images} images of {ground.source.classes} classes, {config.model.backbone.name} on "
        f"{ground.device}, {config.head.name}{plus}, batch {batch} ({images / batch:.0f} steps per "
        f"epoch), {config.optimizer.steps} steps{held}"
    )


def how_to_extend(step: int) -> str:
    """How to continue a run that is finished at `step`."""
    return f"to train longer, repeat the command with --set optimizer.steps=N, N above {step}"


def _begins(step: int) -> str:
    return f"resumes at step {step}" if step else "starts"


def _prepared(
    config: RunConfig, run: Path, fresh: bool, ground: Groundwork, held: contextlib.ExitStack
) -> tuple[Path | None, InitialWeights | None]:
    """Make the run directory ready; the checkpoint to continue from, or what a new run starts from.

    The first process locks the directory until `held` closes.
    """
    processes, checkpoints = ground.processes, Checkpoints(run, config.checkpoint.keep)
    initial = None
    if fresh or checkpoints.last() is None:  # before anything is written
        initial = read_initial_weights(config, run, ground.conditions, processes)
    if processes.first:
        held.enter_context(claimed(run, config, fresh))
    processes.barrier()
    return checkpoints.last(), initial


def _closing(run: Path, summary: dict[str, Any]) -> list[str]:
    """How the run ended, and what to do next."""
    accuracies = ", ".join(f"{name} {value:.2%}" for name, value in summary["accuracy"].items())
    if test := summary.get("test"):
        top5 = f", top-5 {test['top5']:.2%}" if test["top5"] is not None else ""
        accuracies = f"test top-1 {test['top1']:.2%}{top5} (what counts is the last, not the best)"
    done = f"finished {summary['steps']} steps in {_duration(summary['wall_seconds'])}"
    lines = [f"{done}; last checkpoint: {accuracies}" if accuracies else done]
    if best := summary.get("best"):
        target, step = best["target"], best["step"]
        lines.append(
            f"best on {target}: {best['accuracy']:.2%}, {run}/checkpoints/step_{step:08d} "
            f"(chosen on {target} itself: report the last one)"
        )
    lines.append(f"next: arcface-plus report {run}")
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
