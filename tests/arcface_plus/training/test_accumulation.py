"""A batch in parts has the losses and gradients of the whole, in one process and in two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from processes import in_processes
from torch import Tensor, nn

from arcface_plus.data.loader import Batch
from arcface_plus.data.order import equal_parts
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import MMA
from arcface_plus.models.shards import Shards
from arcface_plus.runtime import Processes
from arcface_plus.training.accumulation import backward, batch_parts
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.schedules import Step
from arcface_plus.training.update import Updater, UpdateSettings


@given(
    images=st.integers(2, 2000), processes=st.integers(1, 9), limit=st.integers(1, 3000) | st.none()
)
def test_parts_are_few_and_equal(images: int, processes: int, limit: int | None) -> None:
    shares = equal_parts(images, processes)
    parts = batch_parts(shares, limit)
    assert [sum(sizes) for sizes in zip(*parts, strict=True)] == shares
    if limit is None:
        assert parts == [tuple(shares)]
        return
    assert max(map(max, parts)) <= limit
    assert len(parts) == -(-max(shares) // limit)
    for sizes in zip(*parts, strict=True):
        assert max(sizes) - min(sizes) <= 1


class Counting(MMA):
    calls = 0

    def forward(self, weight: Tensor, shards: Shards | None = None) -> Tensor:
        self.calls += 1
        return super().forward(weight, shards)


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


def run(model: Recognizer, of: Batch, limit: int | None = None) -> tuple[Losses, list[Tensor]]:
    return through(model.backbone, model, of, limit)


def through(
    network: nn.Module, model: Recognizer, of: Batch, limit: int | None
) -> tuple[Losses, list[Tensor]]:
    """Losses and gradients of a batch whose backbone runs as `network`."""
    model.zero_grad(set_to_none=True)
    parts = batch_parts(of.sizes, limit)
    autocast = torch.autocast("cpu", enabled=False)
    losses = backward(network, model, of, parts, autocast, lambda loss: loss)
    return losses, [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("limit", [1, 4, 6, 10])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 5e-6)])
def test_losses_and_gradients_equal_those_of_the_batch(dtype, tolerance: float, limit: int) -> None:
    whole, gradients = run(recognizer(dtype), batch(dtype))
    model = recognizer(dtype)
    parts, summed = run(model, batch(dtype), limit)
    assert calls_of(model) == 1
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
        assert not one.requires_grad
    assert len(summed) == len(gradients) == 4
    for one, other in zip(summed, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * other.abs().max())


def test_one_part_has_the_bits_of_a_plain_backward() -> None:
    model = recognizer(torch.float32)
    one, gradients = run(model, batch(torch.float32))
    model.zero_grad()
    losses = model(batch(torch.float32).images, batch().labels)
    losses.total.backward()
    assert all(torch.equal(a, b) for a, b in zip(one, losses, strict=True))
    plain = [p.grad for p in model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(gradients, plain, strict=True))


def test_weight_zero_is_no_regularizer_in_parts_too() -> None:
    model = recognizer(torch.float32, weight=0.0)
    losses, _ = run(model, batch(torch.float32), 4)
    assert torch.equal(losses.total, losses.margin)
    assert calls_of(model) == 0


def averaged(rank: int) -> tuple[list[Tensor], list[Tensor], float]:
    """One of two processes, its share of the batch in parts; how often each gradient was sent."""
    model = recognizer()
    network = nn.parallel.DistributedDataParallel(model.backbone)
    sent = 0

    def count(_, bucket):  # DDP refuses other annotations than its own
        nonlocal sent
        sent += bucket.buffer().numel()
        whole = bucket.buffer() / 2
        torch.distributed.all_reduce(whole)
        done = torch.futures.Future()
        done.set_result(whole)
        return done

    network.register_comm_hook(None, count)
    losses, _ = through(network, model, share(rank), limit=2)
    model.classifier.reduce_gradients()
    numbers = sum(p.numel() for p in model.backbone.parameters())
    return list(losses), [p.grad for p in model.parameters()], sent / numbers


def share(rank: int) -> Batch:
    """Of one of two processes: six or five images."""
    mine = slice(0, 6) if rank == 0 else slice(6, 11)
    whole = batch()
    return Batch(whole.images[mine], whole.labels[mine], whole.indices[mine], 0.0, (6, 5))


def test_two_processes_average_once_a_batch() -> None:
    whole, gradients = run(recognizer(), batch())
    for losses, averages, sent in in_processes(2, averaged):
        assert sent == 1.0  # not once a part
        for one, other in zip(averages, gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
        for one, other in zip(losses, whole, strict=True):  # of all images, on both
            torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


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
    return replace(batch(), images=batch().images + 10 * rank + step, shares=(11, 11))


def test_batch_norm_statistics_are_each_processs_own() -> None:
    found = in_processes(2, two_updates)
    assert torch.equal(found[0][0], found[1][0])  # weights stay equal
    for rank in (0, 1):
        mean = torch.zeros(3, dtype=torch.float64)
        for step in (0, 1):
            mean = 0.9 * mean + 0.1 * shifted(rank, step).images.mean(dim=(0, 2, 3))
        torch.testing.assert_close(found[rank][1], mean)
