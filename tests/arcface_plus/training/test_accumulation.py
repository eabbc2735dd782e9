"""A batch in parts has the losses and gradients of the whole, in one process and in two."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from arcface_plus.data.loader import Batch
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import MMA
from arcface_plus.runtime import Processes
from arcface_plus.training.accumulation import backward, part_sizes
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.schedules import Step
from arcface_plus.training.update import Updater, UpdateSettings


@given(images=st.integers(1, 2000), limit=st.integers(1, 3000))
def test_parts_are_few_and_equal(images: int, limit: int) -> None:
    sizes = part_sizes(images, limit)
    assert sum(sizes) == images
    assert max(sizes) <= limit
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-images // limit)
    assert part_sizes(images, None) == [images]


class Counting(MMA):
    calls = 0

    def forward(self, weight: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(weight)


def recognizer(dtype: torch.dtype = torch.float64, weight: float = 0.5) -> Recognizer:
    """Without batch norm, so that a part's loss is what it is in the batch."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 16), nn.PReLU())
    return Recognizer(backbone, Classifier(16, 40, ArcFace(16.0)), Counting(), weight).to(dtype)


def batch(dtype: torch.dtype = torch.float64) -> Batch:
    images = torch.randn(11, 3, 112, 112, generator=torch.Generator().manual_seed(1)).to(dtype)
    return Batch(images, torch.arange(11) * 3, np.arange(11), 0.0)


def calls_of(model: Recognizer) -> int:
    ((_, regularizer),) = model.regularizer.terms[0].by_layer()
    return regularizer.calls


def run(model: nn.Module, of: Batch, sizes: list[int]) -> tuple[Losses, list[Tensor]]:
    model.zero_grad(set_to_none=True)
    losses = backward(model, of, sizes, torch.autocast("cpu", enabled=False), lambda loss: loss)
    return losses, [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("limit", [1, 4, 6, 10])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 5e-6)])
def test_losses_and_gradients_equal_those_of_the_batch(dtype, tolerance: float, limit: int) -> None:
    whole, gradients = run(recognizer(dtype), batch(dtype), [11])
    model = recognizer(dtype)
    parts, summed = run(model, batch(dtype), part_sizes(11, limit))
    assert calls_of(model) == 1
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
        assert not one.requires_grad
    assert len(summed) == len(gradients) == 4
    for one, other in zip(summed, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * other.abs().max())


def test_one_part_has_the_bits_of_a_plain_backward() -> None:
    model = recognizer(torch.float32)
    one, gradients = run(model, batch(torch.float32), [11])
    model.zero_grad()
    losses = model(batch(torch.float32).images, batch().labels)
    losses.total.backward()
    assert all(torch.equal(a, b) for a, b in zip(one, losses, strict=True))
    plain = [p.grad for p in model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(gradients, plain, strict=True))


def test_weight_zero_is_no_regularizer_in_parts_too() -> None:
    model = recognizer(torch.float32, weight=0.0)
    losses, _ = run(model, batch(torch.float32), [4, 4, 3])
    assert torch.equal(losses.total, losses.margin)
    assert calls_of(model) == 0


def distributed(rank: int, port: int, folder: str) -> None:
    """One of two processes: its half of the batch in parts, gradients as DDP averages them."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    model = nn.parallel.DistributedDataParallel(recognizer())
    sent = 0

    def count(_, bucket):
        nonlocal sent
        sent += bucket.buffer().numel()
        whole = bucket.buffer() / 2
        torch.distributed.all_reduce(whole)
        done = torch.futures.Future()
        done.set_result(whole)
        return done

    model.register_comm_hook(None, count)
    mine = slice(rank * 5, rank * 5 + 5)
    half = Batch(batch().images[mine], batch().labels[mine], np.arange(5), 0.0)
    losses, gradients = run(model, half, [2, 2, 1])
    numbers = sum(p.numel() for p in model.parameters())
    sums = (list(losses), gradients, sent / numbers)
    torch.save((*sums, *two_updates(rank)), f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    # Destroying the group right after a backward pass can deadlock (torch 2.12): its thread, which
    # releases the pass's context, waits for the GIL, whose holder waits for the thread.
    os._exit(0)


def two_updates(rank: int) -> tuple[Tensor, Tensor]:
    """Of one of two processes whose batches differ: class weights, mean in its batch norm."""
    model = recognizer()
    model.backbone.insert(0, nn.BatchNorm2d(3, dtype=torch.float64))
    updater = Updater(
        model,
        SGD(model.parameters()),
        Step(0.1, 100, milestones=()),
        UpdateSettings("fp32", seed=0),
        torch.device("cpu"),
        Processes(rank, 2),
    )
    for step in (0, 1):
        updater.make(shifted(rank, step), step, measure=False)
    return model.classifier.weight.detach(), model.backbone[0].running_mean


def shifted(rank: int, step: int) -> Batch:
    return replace(batch(), images=batch().images + 10 * rank + step)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"import runpy; runpy.run_path({__file__!r})['distributed']"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", f"{code}({rank}, {port}, {str(folder)!r})"], env=environment
        )
        for rank in (0, 1)
    ]
    try:
        assert [process.wait(120) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_average_once_a_batch(two_processes: list[Any]) -> None:
    saved = two_processes
    ten = Batch(batch().images[:10], batch().labels[:10], np.arange(10), 0.0)
    whole, gradients = run(recognizer(), ten, [10])
    for rank in (0, 1):
        assert saved[rank][2] == 1.0  # every gradient was sent once, not once per part
        for one, other in zip(saved[rank][1], gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
    margin = (saved[0][0][1] + saved[1][0][1]) / 2
    torch.testing.assert_close(margin, whole.margin)


def test_batch_norm_statistics_are_each_processs_own(two_processes: list[Any]) -> None:
    assert torch.equal(two_processes[0][3], two_processes[1][3])  # weights stay equal
    for rank in (0, 1):
        mean = torch.zeros(3, dtype=torch.float64)
        for step in (0, 1):
            mean = 0.9 * mean + 0.1 * shifted(rank, step).images.mean(dim=(0, 2, 3))
        torch.testing.assert_close(two_processes[rank][4], mean)
