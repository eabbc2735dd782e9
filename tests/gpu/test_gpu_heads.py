"""Every head on a GPU: the loss and gradients of the CPU, and no waiting for the device."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from head_checks import batch, classifier_of, loss_of_one_shard

from arcface_plus.models.auxiliary import AuxiliaryTerm, CentreLoss
from arcface_plus.models.heads import HEADS


@pytest.mark.parametrize("name", list(HEADS))
def test_loss_gradients_and_state_are_those_of_the_cpu(device, name):
    exact = classifier_of(HEADS[name]())
    x, labels = batch()
    loss = exact(x, labels, 7).loss
    expected = torch.autograd.grad(loss, [x, *exact.parameters()])
    ours = classifier_of(HEADS[name](), torch.float32).to(device)
    rows = x.detach().float().to(device).requires_grad_()
    found = ours(rows, labels.to(device), 7).loss
    assert found.item() == pytest.approx(loss.item(), rel=1e-4)
    for one, other in zip(
        torch.autograd.grad(found, [rows, *ours.parameters()]), expected, strict=True
    ):
        error = (one.cpu().double() - other).norm() / other.norm()
        assert error < 2e-3
    for one, other in zip(ours.head.buffers(), exact.head.buffers(), strict=True):
        torch.testing.assert_close(one.cpu().double(), other.double(), rtol=1e-5, atol=1e-6)


@pytest.fixture
def group(device, tmp_path) -> Iterator[None]:
    """Exchanges of a single process."""
    kind = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(kind, init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", list(HEADS))
def test_the_code_for_several_processes_gives_the_same_under_autocast(device, group, name, dtype):
    rows, labels = (value.detach().to(device) for value in batch(torch.float32))
    rows = rows.to(dtype).requires_grad_()
    found = []
    for sharded in (False, True):
        classifier = classifier_of(HEADS[name](), torch.float32).to(device)
        with torch.autocast(device.type, dtype):
            if sharded:
                loss, accuracy = loss_of_one_shard(classifier, rows, labels, 7)
            else:
                loss, accuracy = classifier(rows, labels, 7)
        gradients = torch.autograd.grad(loss, [rows, *classifier.parameters()])
        found.append([loss, accuracy, *gradients, *classifier.head.buffers()])
    for one, other in zip(*found, strict=True):
        size = float(other.detach().abs().max())
        tolerance = 1e-2 if one.dtype == dtype else 1e-5
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * size)


@pytest.mark.parametrize("name", list(HEADS))
def test_a_step_does_not_wait_for_the_gpu(gpu, name):
    classifier = classifier_of(HEADS[name](), torch.float32).to(gpu)
    x, labels = (value.detach().to(gpu) for value in batch(torch.float32))
    x.requires_grad_()
    classifier(x, labels).loss.backward()  # what is loaded at first use may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        for closing in (False, True):
            classifier(x, labels, 1, closing).loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_centre_loss_does_not_wait_for_the_gpu_and_is_that_of_the_cpu(gpu):
    terms = [AuxiliaryTerm(CentreLoss(), 0.1, 9, 6).to(at) for at in ("cpu", gpu)]
    x, labels = batch(torch.float32)
    terms[0](x, labels)
    rows, places = x.detach().to(gpu).requires_grad_(), labels.to(gpu)
    terms[1](rows, places)
    torch.testing.assert_close(terms[1].loss.centres.cpu(), terms[0].loss.centres)
    torch.cuda.set_sync_debug_mode("error")
    try:
        terms[1](rows, places).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
