"""From a config to a finished run: builds the parts, hands them to the trainer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from arcface_plus.config.tree import RunConfig
from arcface_plus.console import progress_bar, say
from arcface_plus.data.loader import Loader
from arcface_plus.data.sources import Source, open_source
from arcface_plus.embedder.load import network_embedder
from arcface_plus.evaluation.verification import VerificationReport, target_file, verify_targets
from arcface_plus.models.activation_checkpointing import checkpoint_activations
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.run_directory.checkpoint import Checkpoints, ModelCard
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.run_directory.prepare import describe, load_fitting, prepare
from arcface_plus.runtime import (
    Processes,
    autocast,
    join_processes,
    make_deterministic,
    resolve_device,
    resolve_precision,
    seed_step,
)
from arcface_plus.training.accumulation import part_sizes
from arcface_plus.training.compilation import compile_in_place
from arcface_plus.training.data_advice import data_advice
from arcface_plus.training.optim import Schedule, sgd
from arcface_plus.training.trainer import Plan, Trainer
from data_prep.crop_size import SIDE
from data_prep.errors import UserError
from data_prep.files import write_text

VERIFY_BATCH = 128
_BEFORE_TRAINING = (1 << 31) - 1  # the "step" whose generators initialise the weights


def execute(config: RunConfig, run: Path, fresh: bool = False) -> None:
    """Train `config` in the directory `run`, from its last checkpoint if it has one."""
    processes = join_processes()
    device = resolve_device(config.runtime.device, processes.local_rank)
    if config.run.deterministic:
        make_deterministic()
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # few shapes, each met thousands of times
    if config.data.train is None:
        raise UserError("missing key data.train (a .rec or a folder); --set data.train=PATH")
    if config.data.batch_size % processes.count:
        raise UserError(
            f"data.batch_size {config.data.batch_size} is not divisible by the "
            f"{processes.count} processes"
        )
    _check_memory_savers(config, processes.count)
    source = open_source(Path(config.data.train))
    if source.classes < 2:
        raise UserError(f"{config.data.train}: one class only; there is nothing to tell apart")
    verify = _verifier(config, device)
    if processes.first:
        prepare(run, config, fresh)
    processes.barrier()
    checkpoint = Checkpoints(run, config.checkpoint.keep).last()
    resume = load_fitting(checkpoint, source.classes, len(source)) if checkpoint else None
    if resume and resume.step >= config.optimizer.steps:
        say(f"{run}: already at step {resume.step}; nothing left to train (--fresh?)")
        return
    if processes.first:
        describe(run, config, device, processes.count)
        _announce(run, config, source, device, resume.step if resume else 0)
    trainer = _trainer(config, run, source, verify, device, processes, resume.step if resume else 0)
    try:
        if checkpoint and resume:
            trainer.restore(checkpoint, resume)
        summary = trainer.run()
    finally:
        trainer.loader.close()
        if trainer.metrics is not None:
            trainer.metrics.close()
    if processes.first:
        write_text(run / "summary.json", json.dumps(summary, indent=2) + "\n")


def verify_untrained(config: RunConfig) -> dict[str, float]:
    """Accuracy by target of the network as it is before its first step."""
    device = resolve_device(config.runtime.device)
    backbone = build_recognizer(config, classes=2).backbone.eval().to(device)
    return _verifier(config, device)(backbone).accuracies


def build_recognizer(config: RunConfig, classes: int) -> Recognizer:
    """The network of a run, initialised as a pure function of the seed."""
    seed_step(config.run.seed, _BEFORE_TRAINING, 0)
    return Recognizer(
        config.model.build_backbone(),
        Classifier(config.model.embedding_dim, classes, config.head.build()),
        config.regularizer.build(),
        config.regularizer.weight,
    )


def _trainer(
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
            say=_say if processes.first else None,
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


def _check_memory_savers(config: RunConfig, processes: int) -> None:
    """What is wrong with them is said before anything is read or built."""
    if config.runtime.activation_checkpointing and config.runtime.compile is True:
        raise UserError(
            "runtime.compile: true and runtime.activation_checkpointing: true exclude each other; "
            "set one of them to false"
        )
    smallest = part_sizes(config.data.batch_size // processes, config.data.micro_batch_size)[-1]
    if config.data.micro_batch_size is not None and smallest < 2:
        raise UserError(
            f"data.micro_batch_size {config.data.micro_batch_size} leaves one image alone, which "
            "batch norm cannot normalise; make it larger"
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


def _verifier(config: RunConfig, device: torch.device) -> Callable[[nn.Module], VerificationReport]:
    """Verification as the trainer calls it. A missing pair file is found out now, not at night."""
    train = Path(config.data.train or "")
    data = Path(config.eval.data) if config.eval.data else train if train.is_dir() else train.parent
    for target in config.eval.targets:
        target_file(data, target)

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


def _say(line: str) -> None:
    say(line)
