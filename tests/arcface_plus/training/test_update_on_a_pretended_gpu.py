"""Whole updates on a GPU that is not there: nothing waits between two logged steps."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import PretendedGpu, Waited, pretended_gpu
from torch._subclasses.fake_tensor import unset_fake_temporarily

from arcface_plus.config.tree import validate
from arcface_plus.data.loader import Batch
from arcface_plus.models.recognizer import Losses
from arcface_plus.models.regularizers import MMA
from arcface_plus.runtime import Processes
from arcface_plus.training.assembly import build_recognizer
from arcface_plus.training.divergence import DivergenceWatch
from arcface_plus.training.stopwatch import Stopwatch
from arcface_plus.training.update import Updater, UpdateSettings

CLASSES, BATCH = 300, 8


@pytest.fixture
def gpu() -> Iterator[PretendedGpu]:
    with pretended_gpu(triton=True) as gpu:
        yield gpu


def updater(gpu: PretendedGpu, precision: str, micro: int | None, **tree: Any) -> Updater:
    """That of a run with a small network, gradients clipped."""
    model = {"backbone": {"name": "tiny"}, "embedding_dim": 32}
    regularizer = [{"name": "mma", "weight": 0.03, "layers": "all"}]
    made = {"run": {"name": "pretended"}, "model": model, "regularizer": regularizer} | tree
    with unset_fake_temporarily():  # building on the meta device to check it
        config = validate(made, "test")
    recognizer = gpu.moved(build_recognizer(config, CLASSES))
    optimizer = config.optimizer.build(list(recognizer.parameters()))
    settings = UpdateSettings(precision, 0, 5.0, micro, layer_angles_every=2)
    schedule = config.optimizer.build_schedule()
    return Updater(recognizer, optimizer, schedule, settings, gpu.device, Processes())


def batch(gpu: PretendedGpu) -> Batch:
    images = torch.rand(BATCH, 3, 112, 112, device=gpu.device)
    labels = torch.zeros(BATCH, dtype=torch.int64, device=gpu.device)
    images = images.contiguous(memory_format=torch.channels_last)
    return Batch(images, labels, np.arange(BATCH), wait_seconds=0.0)


@pytest.mark.parametrize(("precision", "micro"), [("bf16", 5), ("fp16", None)])
def test_updates_do_not_wait_measured_or_not(gpu, precision, micro):
    ours = updater(gpu, precision, micro)
    given = batch(gpu)
    with gpu.at_work():
        for step, measure in enumerate([False, True]):
            made = ours.make(given, step, measure)
    assert all(value.device == gpu.device for value in made.losses)
    assert all(p.grad is None for p in ours.recognizer.parameters())


def test_adamw_and_an_adaptive_head_do_not_wait(gpu):
    optimizer = {"name": "adamw", "lr": 0.001}
    auxiliary = {"name": "centre", "weight": 0.003}
    ours = updater(
        gpu, "fp16", None, head={"name": "adaface"}, optimizer=optimizer, auxiliary=auxiliary
    )
    with gpu.at_work():
        made = ours.make(batch(gpu), 0, True)
    assert made.grad_norm is not None
    assert (made.grad_norm.device, made.grad_norm.shape) == (gpu.device, ())


def test_the_divergence_watch_notes_without_waiting(gpu, tmp_path):
    watch = DivergenceWatch(SimpleNamespace(device=gpu.device), None, tmp_path, lambda: None)
    zero = torch.zeros((), device="cuda")
    with gpu.at_work():
        watch.note(Losses(zero, zero, zero, zero, zero), 7)


def test_the_stopwatch_waits_when_it_is_read_only(gpu):
    regularizer = MMA("exact")
    watch = Stopwatch(regularizer, gpu.device)
    weight = torch.randn(300, 32, device="cuda", requires_grad=True)
    with gpu.at_work():
        for _ in range(3):
            regularizer(weight)
        with pytest.raises(Waited):
            watch.read()
        watch.reset()
