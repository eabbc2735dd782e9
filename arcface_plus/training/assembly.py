"""Builds the parts of a run from its config.

Training and `bench step` both use these functions, so that the benchmark measures what a run does.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import nn

from arcface_plus.config.tree import RunConfig
from arcface_plus.console import progress_bar, say
from arcface_plus.data.loader import Loader, LoaderSettings
from arcface_plus.data.order import equal_parts
from arcface_plus.models.activation_checkpointing import checkpoint_activations, is_very_deep
from arcface_plus.models.auxiliary import AuxiliaryTerm
from arcface_plus.models.class_sampling import ClassSampling
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularization import Regularization
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.metrics import Metrics, facts_of
from arcface_plus.runtime import Processes, autocast, resolve_precision, seed_step
from arcface_plus.training.accumulation import batch_parts
from arcface_plus.training.compilation import compile_in_place
from arcface_plus.training.data_advice import data_advice
from arcface_plus.training.groundwork import Groundwork, channels_last
from arcface_plus.training.initial_weights import InitialWeights
from arcface_plus.training.saving import Saving
from arcface_plus.training.sharding import class_shards
from arcface_plus.training.trainer import Plan, Trainer
from arcface_plus.training.update import Updater, UpdateSettings
from arcface_plus.training.verifying import Verifying
from data_prep.crop_size import SIDE
from data_prep.errors import UserError

_BEFORE_TRAINING = (1 << 31) - 1  # the "step" whose generators initialize the weights


def build_recognizer(
    config: RunConfig, classes: int, processes: Processes | None = None, side: int = SIDE
) -> Recognizer:
    """The network of a run, for images of this side, initialized as a pure function of the seed."""
    shards = class_shards(config, classes, processes or Processes())
    weights, seed = config.class_weights, config.run.seed
    sampling = ClassSampling(weights.sampling, seed) if weights.sampling < 1.0 else None
    seed_step(seed, _BEFORE_TRAINING, 0)
    backbone = config.model.build_backbone(side)
    head = config.head.build()
    classifier = Classifier(weights.dimensions, classes, head, shards, sampling, weights.std)
    plans = [term.plan() for term in config.regularizers]
    regularization = Regularization(plans, backbone, classifier)
    auxiliary = AuxiliaryTerm(
        config.auxiliary.build(), config.auxiliary.weight, classes, weights.dimensions
    )
    return Recognizer(backbone, classifier, regularization, auxiliary=auxiliary)


def build_updater(
    config: RunConfig,
    recognizer: Recognizer,
    device: torch.device,
    processes: Processes,
    side: int = SIDE,
) -> tuple[Updater, str | None]:
    """The updater of `recognizer`, which is moved to the device and prepared for training.

    side: of the images.

    Also returns why the network could not be compiled although `runtime.compile: auto` asks for it.
    """
    precision = resolve_precision(config.runtime.precision, device)
    recognizer.to(device)
    uncompiled = _prepare_backbone(recognizer.backbone, config, device, processes, side)
    trained = [p for p in recognizer.parameters() if p.requires_grad]
    settings = UpdateSettings(
        precision,
        config.run.seed,
        config.optimizer.grad_clip,
        config.data.micro_batch_size,
        config.logging.layer_angles_every,
    )
    optimizer, schedule = config.optimizer.build(trained), config.optimizer.build_schedule()
    processes.barrier()  # compilation takes some longer than others; the next call is collective
    return Updater(recognizer, optimizer, schedule, settings, device, processes), uncompiled


def build_trainer(
    config: RunConfig,
    run: Path,
    ground: Groundwork,
    first_step: int,
    initial: InitialWeights | None = None,
) -> Trainer:
    """The trainer of this process, starting at `first_step`, of a new run from `initial`."""
    processes, source, material = ground.processes, ground.source, ground.material
    side = ground.side
    recognizer = build_recognizer(config, source.classes, processes, side)
    if initial is not None:
        told = initial.load_into(recognizer)
        if processes.first:
            say(told)
    updater, uncompiled = build_updater(config, recognizer, ground.device, processes, side)
    if uncompiled and processes.first:
        say(f"runtime.compile: not possible here ({uncompiled}); training without it")
    if processes.first:
        for line in recognizer.regularizer.described():
            say(f"regularizer {line}")
    plan = Plan(
        steps=config.optimizer.steps,
        log_every=config.logging.every,
        checkpoint_every=config.checkpoint.every,
        keep_best=config.checkpoint.best is not None,
        data_advice=data_advice(
            config.data.cache, config.data.threads, ground.device.type == "cuda"
        ),
    )
    evaluate = partial(material.evaluate, classifier=recognizer.classifier)
    checkpoints = Checkpoints(run, config.checkpoint.keep, config.checkpoint.best)
    metrics = build_metrics(config, run, first_step) if processes.first else None
    return Trainer(
        run,
        plan,
        build_loader(config, ground),
        updater,
        Saving(run, checkpoints, updater, material.card, ground.conditions, source.class_names),
        Verifying(run, evaluate, config.eval.names, config.eval.every, metrics),
        metrics,
    )


def build_metrics(config: RunConfig, run: Path, first_step: int) -> Metrics:
    """The sinks of a run whose config.yaml and environment.json are written."""
    facts = facts_of(config, run, first_step)
    return Metrics(facts, config.optimizer.steps, config.logging.sinks)


def build_loader(config: RunConfig, ground: Groundwork) -> Loader:
    """The loader of a run's batches, as its config specifies."""
    data, processes = config.data, ground.processes
    settings = LoaderSettings(
        batch_size=data.batch_size,
        seed=config.run.seed,
        preparation=ground.material.preparation,
        cache=data.cache,
        cache_dir=Path(data.cache_dir) if data.cache_dir else None,
        threads=data.threads,
        channels_last=channels_last(config),
    )
    speak = say if processes.first else None
    with progress_bar("decoding into the cache") as progress:
        return Loader(ground.source, settings, ground.device, processes, progress, speak)


def _prepare_backbone(
    backbone: nn.Module,
    config: RunConfig,
    device: torch.device,
    processes: Processes,
    side: int,
) -> str | None:
    """Set memory format, and activation checkpointing or compilation; return why not compiled."""
    runtime = config.runtime
    memory_format = torch.channels_last if channels_last(config) else torch.contiguous_format
    backbone.to(memory_format=memory_format)  # type: ignore[call-overload]
    if runtime.activation_checkpointing or is_very_deep(backbone):
        if runtime.compile is True:
            raise UserError(
                f"runtime.compile: true cannot be combined with activation checkpointing, which "
                f"{config.model.backbone.name} is trained with here; set it to false"
            )
        try:
            checkpoint_activations(backbone)
        except ValueError as error:
            raise UserError(f"runtime.activation_checkpointing: {error}") from None
    elif _switch(runtime.compile, default=device.type == "cuda"):
        shares = equal_parts(config.data.batch_size, processes.count)
        size = batch_parts(shares, config.data.micro_batch_size)[0][processes.rank]
        images = torch.zeros((size, 3, side, side), device=device)
        images = images.contiguous(memory_format=memory_format)
        if processes.first:
            say("compiling the network, which takes minutes if it is large")
        precision = resolve_precision(runtime.precision, device)
        problem = compile_in_place(backbone, images, autocast(device, precision))
        if problem and runtime.compile is True:
            raise UserError(
                f"runtime.compile: true, but compilation fails here ({problem}); set it to false"
            )
        return problem
    return None


def _switch(setting: bool | str, default: bool) -> bool:
    return default if isinstance(setting, str) else setting
