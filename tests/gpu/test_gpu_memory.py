"""What is kept on the GPU: parts of a batch and recomputed activations need less, MMA O(n·d)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from arcface_plus.bench.step import Sizes, build
from arcface_plus.models.activation_checkpointing import checkpoint_activations
from arcface_plus.models.backbones import IResNet, r18
from arcface_plus.models.regularizers import MMA


def peak(work: Callable[[], object]) -> int:
    """Peak bytes allocated during `work`, beyond what was allocated before."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def test_parts_of_a_batch_need_the_memory_of_a_part(gpu):
    used = {}
    for parts in (None, 16):
        step = build("ours ArcFace+", Sizes("r18", batch=64, classes=500, micro_batch=parts), gpu)
        for _ in range(2):
            step()
        used[parts] = peak(step)
        del step
    assert used[16] < 0.5 * used[None]


def test_recomputed_activations_need_less_and_give_the_same_gradients(device):
    batch = 32 if device.type == "cuda" else 4
    images = torch.rand(batch, 3, 112, 112, generator=torch.Generator().manual_seed(0)).to(device)
    used, gradients = [], []
    for recomputed in (False, True):
        torch.manual_seed(1)
        network = r18().to(device).train()
        if recomputed:
            checkpoint_activations(network)

        def step(network: IResNet = network) -> None:
            network(images).square().sum().backward()

        used.append(peak(step) if device.type == "cuda" else step())
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=5e-3, atol=5e-3 * float(one.abs().max()))
    if device.type == "cuda":
        assert used[1] < 0.75 * used[0]


@pytest.mark.parametrize("mode", ["exact", "cached", "rolling"])
def test_forty_thousand_rows_without_their_matrix(gpu, mode):
    """The matrix of cosines alone would be 6.4 GB; the weight is 82 MB."""
    weight = torch.randn(40_000, 512, device=gpu, requires_grad=True)
    regularizer = MMA(mode=mode).to(gpu)

    def step() -> None:
        weight.grad = None
        regularizer(weight).backward()

    assert peak(step) < 2e9
    assert peak(step) < 2e9  # and when it uses the candidates of the first call
