"""The parts of a run, built from its config: the one place where they are put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from arcface_plus.config.tree import RunConfig
from arcface_plus.console import progress_bar, say
from arcface_plus.data.loader import Loader
from arcface_plus.data.sources import Source
from arcface_plus.evaluation.verification import VerificationReport
from arcface_plus.models.activation_checkpointing import checkpoint_activations
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.run_directory.checkpoint import Checkpoints, ModelCard
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.runtime import Processes, autocast, resolve_precision, seed_step
from arcface_plus.training.accumulation import part_sizes
from arcface_plus.training.compilation import compile_in_place
from arcface_plus.training.data_advice import data_advice
from arcface_plus.training.optim import Schedule, sgd
from arcface_plus.training.trainer import Plan, Trainer
from data_prep.crop_size import SIDE
from data_prep.errors import UserError

_BEFORE_TRAINING = (1 << 31) - 1  # the "step" whose generators initialise the weights


def build_recognizer(config: RunConfig, classes: int) -> Recognizer:
    """The network of a run, initialised as a pure function of the seed."""
    seed_step(config.run.seed, _BEFORE_TRAINING, 0)
    return Recognizer(
        config.model.build_backbone(),
        Classifier(config.model.embedding_dim, classes, config.head.build()),
        config.regularizer.build(),
        config.regularizer.weight,
    )


def build_trainer(
    config: RunConfig,
    run: Path,
    source: Source,
    verify: Callable[[nn.Module], VerificationReport],
    device: torch.device,
    processes: Processes,
    first_step: int,
) -> Trainer:
    on_gpu = device.type == "cuda"
    channels_last = _switch(config.runtime.channels_last, default=True)
    precision = resolve_precision(config.runtime.precision, device)
    recognizer = build_recognizer(config, source.classes).to(device)
    _prepare_backbone(recognizer.backbone, config, device, channels_last, precision, processes)
    optimizer = config.optimizer
    with progress_bar("decoding into the cache") as progress:
        loader = Loader(
            source,
            batch_size=config.data.batch_size,
            seed=config.run.seed,
            flip=config.data.flip,
            cache=config.data.cache,
            cache_dir=Path(config.data.cache_dir) if config.data.cache_dir else None,
            threads=config.data.threads,
            device=device,
            channels_last=channels_last,
            rank=processes.rank,
            processes=processes.count,
            progress=progress,
            say=say if processes.first else None,
        )
    return Trainer(
        run=run,
        plan=Plan(
            steps=optimizer.steps,
            log_every=config.logging.every,
            verify_every=config.eval.every,
            checkpoint_every=config.checkpoint.every,
            seed=config.run.seed,
            precision=precision,
            grad_clip=optimizer.grad_clip,
            micro_batch_size=config.data.micro_batch_size,
            data_advice=data_advice(config.data.cache, config.data.threads, on_gpu),
        ),
        recognizer=recognizer,
        optimizer=sgd(
            recognizer,
            momentum=optimizer.momentum,
            weight_decay=optimizer.weight_decay,
        ),
        schedule=Schedule(
            optimizer.lr, optimizer.milestones, optimizer.gamma, optimizer.warmup_steps
        ),
        loader=loader,
        verify=verify,
        checkpoints=Checkpoints(run, config.checkpoint.keep),
        card=ModelCard(
            backbone=config.model.backbone.name,
            parameters=config.model.backbone.parameters,
            embedding_dim=config.model.embedding_dim,
        ),
        metrics=Metrics(run, first_step, optimizer.steps) if processes.first else None,
        device=device,
        processes=processes,
        class_names=source.class_names,
    )


def _prepare_backbone(
    backbone: nn.Module,
    config: RunConfig,
    device: torch.device,
    channels_last: bool,
    precision: str,
    processes: Processes,
) -> None:
    """Memory format, and either activation checkpointing or compilation."""
    runtime = config.runtime
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    backbone.to(memory_format=memory_format)  # type: ignore[call-overload]
    if runtime.activation_checkpointing:
        try:
            checkpoint_activations(backbone)
        except ValueError as error:
            raise UserError(f"runtime.activation_checkpointing: {error}") from None
    elif _switch(runtime.compile, default=device.type == "cuda"):
        size = part_sizes(config.data.batch_size // processes.count, config.data.micro_batch_size)
        images = torch.zeros((size[0], 3, SIDE, SIDE), device=device)
        images = images.contiguous(memory_format=memory_format)
        if processes.first:
            say("compiling the network, which takes minutes if it is large")
        problem = compile_in_place(backbone, images, autocast(device, precision))
        if problem and runtime.compile is True:
            raise UserError(
                f"runtime.compile: true, but it cannot work here ({problem}); set it to false"
            )
        if problem and processes.first:
            say(
                f"runtime.compile: not possible here, the run goes on without ({problem})",
            )  # fmt: skip


def _switch(setting: bool | str, default: bool) -> bool:
    return default if isinstance(setting, str) else setting
