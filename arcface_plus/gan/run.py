"""From a GAN's config to a finished run: checks, messages and files around training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from arcface_plus import torchrun
from arcface_plus.console import say
from arcface_plus.gan import checkpoints as saved
from arcface_plus.gan.config import GanConfig
from arcface_plus.gan.evaluation import Evaluation, text_of
from arcface_plus.gan.generator import SIDE
from arcface_plus.gan.images import RealImages, load_images
from arcface_plus.gan.judge import Judge, load_judge
from arcface_plus.gan.trainer import GanPlan, GanTrainer
from arcface_plus.gan.update import GanUpdater
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.entries import SUMMARY_FILE
from arcface_plus.run_directory.environment import describe
from arcface_plus.run_directory.interrupted import unmark_interrupted
from arcface_plus.run_directory.metrics import Metrics, facts_of
from arcface_plus.run_directory.prepare import check_usable, claimed
from arcface_plus.runtime import make_deterministic, resolve_device, seed_step
from arcface_plus.training.checks import check_sinks
from data_prep.errors import DataError, UserError
from data_prep.files import write_text
from data_prep.json_file import read_json_mapping

_BEFORE_TRAINING = (1 << 31) - 1  # the "step" whose generators initialize the weights


def execute(config: GanConfig, run: Path, fresh: bool = False) -> None:
    """Train a GAN in the directory `run`, from its last checkpoint if it has one."""
    if torchrun.several():
        raise UserError("gan: trains in one process; start it without torchrun")
    check_sinks(config.logging.sinks)
    device = resolve_device(config.runtime.device)
    if config.run.deterministic:
        make_deterministic()
    check_usable(run, config, fresh)  # before what takes long
    named = config.eval.classifier
    judge = None if named is None else load_judge(Path(named), device, SIDE)
    images = load_images(config.data.train, SIDE, device)
    with claimed(run, config, fresh) as checkpoint:
        _execute(config, run, images, judge, checkpoint)


def build_updater(config: GanConfig, device: torch.device) -> GanUpdater:
    """Networks that are a pure function of the seed, on the device, and their optimizers."""
    seed_step(config.run.seed, _BEFORE_TRAINING, 0)
    generator, discriminator = config.build_generator(), config.build_discriminator()
    regularization = config.build_regularization(discriminator)
    return GanUpdater(
        generator.to(device),
        discriminator.to(device),
        regularization.to(device),
        config.optimizer,
        config.run.seed,
    )


def _execute(
    config: GanConfig, run: Path, images: RealImages, judge: Judge | None, checkpoint: Path | None
) -> None:
    """Train in a directory that is ready and ours."""
    state = _fitting(checkpoint, images) if checkpoint else None
    step = state.step if state else 0
    unmark_interrupted(run)
    evaluation = Evaluation(run, config.run.seed, config.eval.samples, images, judge)
    if step >= config.optimizer.steps and _is_finished(run, step) and evaluation.made(step):
        say(
            f"{run}: finished at step {step}; to train longer, repeat the command with --set "
            f"optimizer.steps=N, N above {step}"
        )
        return
    device = images.pixels.device
    describe(run, config, device, 1, {})
    updater = build_updater(config, device)
    say(f"{config.run.name}: {_begins(step)} in {run}: {_what_is_trained(config, images)}")
    if judge is None:
        say("eval.classifier: null, so there are pictures but no inception score")
    for line in updater.regularization.described():
        say(f"regularizer {line}")
    plan = GanPlan(
        config.optimizer.steps,
        config.data.batch_size,
        config.logging.every,
        config.eval.every,
        config.checkpoint.every,
    )
    checkpoints = Checkpoints(run, config.checkpoint.keep)
    metrics = _metrics(config, run, step)
    trainer = GanTrainer(run, plan, updater, evaluation, checkpoints, metrics)
    try:
        if state is not None:
            trainer.restore(state)
        summary = trainer.train()
    finally:
        trainer.close()
    write_text(run / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")
    for line in _closing(run, summary):
        say(f"{config.run.name}: {line}")


def _fitting(checkpoint: Path, images: RealImages) -> saved.GanState:
    """The state in a checkpoint; UserError if it was trained on other images."""
    state = saved.load(checkpoint)
    if state.data_digest != images.digest:
        raise UserError(
            f"{checkpoint}: data.train holds other images or another order than the run was "
            "trained on; restore the data, or use --fresh or another --out"
        )
    return state


def _is_finished(run: Path, step: int) -> bool:
    try:
        return read_json_mapping(run / SUMMARY_FILE).get("steps") == step
    except (OSError, DataError):
        return False


def _metrics(config: GanConfig, run: Path, first_step: int) -> Metrics:
    """The sinks of a run whose config.yaml and environment.json are written."""
    shown = ("d_loss", "g_loss")
    facts = facts_of(config, run, first_step)
    return Metrics(facts, config.optimizer.steps, config.logging.sinks, shown)


def _begins(step: int) -> str:
    return f"resumes at step {step}" if step else "starts"


def _what_is_trained(config: GanConfig, images: RealImages) -> str:
    terms = [(term.weight, term.name) for term in config.regularizers]
    plus = "".join(f" + {weight:g}·{name}" for weight, name in terms if name != "none")
    width = "" if config.model.width == 1.0 else f", width {config.model.width:g}"
    return (
        f"{len(images)} real images on {images.pixels.device}, discriminator with normalization "
        f"{config.model.normalization}{plus}{width}, batch {config.data.batch_size}, "
        f"{config.optimizer.steps} steps"
    )


def _closing(run: Path, summary: Mapping[str, Any]) -> list[str]:
    """How the run ended."""
    lines = [f"finished {summary['steps']} steps in {summary['wall_seconds']:.0f} s"]
    if text := text_of(summary["evaluation"]):
        lines.append(f"last: {text}")
    if best := summary["best"]:
        score = best["inception_score"]
        lines.append(
            f"best: {score['mean']:.3f} ± {score['std']:.3f} at step {best['step']} (chosen by the "
            "score itself, as the MHE paper does: report the last one)"
        )
    lines.append(f"pictures: {run}/samples")
    return lines
