"""Updates by several processes, with shares of any size, are those of one process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from processes import in_processes
from torch import Tensor, nn

from arcface_plus.data.loader import Batch, Loader, LoaderSettings
from arcface_plus.data.order import batch_indices
from arcface_plus.data.sources import open_source
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularization import Regularization, TermPlan
from arcface_plus.models.regularizers import MHE, MMA, Orthogonal, Orthonormal
from arcface_plus.models.shards import Shards
from arcface_plus.runtime import Processes
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.schedules import Step
from arcface_plus.training.update import Updater, UpdateSettings

BATCH, STEPS, CLASSES = 11, 20, 6
CPU = torch.device("cpu")
TERMS = {
    "none": [],
    "mma": [TermPlan("mma", 0.5, MMA)],
    "several": [
        TermPlan("mma", 0.5, MMA, "all"),
        TermPlan("mhe", 0.3, lambda: MHE(pairs="batch")),
        TermPlan("mhe", 0.2, lambda: MHE(subset=0.5, half_space=True), "all"),
        TermPlan("orthogonal", 0.1, Orthogonal, "all", "mean"),
        TermPlan("orthonormal", 0.1, Orthonormal, "all"),
    ],
}


def updater(
    processes: Processes, sharded: bool, terms: str = "none", precision: str = "fp32"
) -> Updater:
    """Of a network without batch norm and dropout; the gradient's norm is always measured."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 16), nn.PReLU())
    shards = Shards(CLASSES, processes.rank, processes.count) if sharded else None
    classifier = Classifier(16, CLASSES, ArcFace(16.0, 0.2), shards)
    recognizer = Recognizer(
        backbone, classifier, Regularization(TERMS[terms], backbone, classifier)
    )
    return Updater(
        recognizer,
        SGD(recognizer.parameters()),
        Step(0.05, 100, milestones=()),
        UpdateSettings(precision, seed=0, grad_clip=0.7, micro_batch_size=3),
        CPU,
        processes,
    )


def trained(
    rank: int, folder: Path, count: int, sharded: bool, terms: str
) -> tuple[list[tuple[float, ...]], list[Tensor], list[list[int]], list[Tensor]]:
    """Figures of every update, final weights, and which images each saw."""
    processes = Processes(rank, count)
    made = updater(processes, sharded, terms)
    loader = Loader(open_source(folder), LoaderSettings(BATCH, 3, threads=1), CPU, processes)
    figures, indices, images = [], [], []
    for step, batch in enumerate(loader.batches(0, STEPS)):
        update = made.make(batch, step, measure=True)
        assert update.grad_norm is not None
        assert update.angles is not None
        losses = update.losses
        figures.append(
            (float(losses.total), float(losses.accuracy), float(losses.regularizer),
             float(update.grad_norm), float(update.angles.mean()), float(update.angles.smallest()),
             *(float(norm) for found in update.influences.values() for norm in found))
        )  # fmt: skip
        indices.append(batch.indices.tolist())
        images.append(batch.images[:, :, ::37, ::37].clone())
    loader.close()
    return figures, [p.detach() for p in made.recognizer.parameters()], indices, images


@pytest.mark.parametrize(
    ("count", "sharded", "terms"),
    [(2, True, "mma"), (4, True, "none"), (3, False, "mma"), (2, True, "several"),
     (4, True, "several"), (2, False, "several")],
)  # fmt: skip
def test_twenty_updates_equal_those_of_one_process(synthetic, count, sharded, terms):
    """11 images in parts of at most 3 a process; 6 classes leave one of 4 processes without any.

    Regularizers on the backbone count once, not once a process; how strong each of them is beside
    the data loss is that of all classes.
    """
    figures, weights, _, images = trained(0, synthetic, 1, False, terms)
    assert figures[-1][0] < figures[0][0]
    assert (np.array(figures)[:, 3] > 0.7).any()  # some are clipped
    found = in_processes(count, trained, synthetic, count, sharded, terms)
    for step in range(STEPS):
        seen = np.concatenate([part[2][step] for part in found])
        assert np.array_equal(seen, batch_indices(3, step, BATCH, 48))
        assert torch.equal(torch.cat([part[3][step] for part in found]), images[step])
    for part in found:
        np.testing.assert_allclose(part[0], figures, rtol=1e-5, atol=1e-5)
        assert part[0] == found[0][0]  # losses and norm are those of all, to the bit
    for number, expected in enumerate(weights):
        parts = [part[1][number] for part in found]
        if sharded and number == len(weights) - 1:
            parts = [torch.cat(parts)]
        for weight in parts:
            torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-5)


def overflowing(rank: int, sharded: bool) -> list[tuple[float | None, list[Tensor]]]:
    """The loss scale and the weights after each of two updates, of which one overflows in one."""
    made = updater(Processes(rank, 2), sharded, precision="fp16")
    state = made.state()
    made.restore(state["optimizer"], state["scaler"] | {"scale": 64.0})  # no overflow by itself
    overflow = torch.inf if rank == 1 else 1.0
    hook = made.recognizer.classifier.weight.register_hook(lambda grad: grad * overflow)
    shares = (3, 2)
    generator = torch.Generator().manual_seed(rank)
    found = []
    for step in range(2):
        images = torch.randn(shares[rank], 3, 8, 8, generator=generator)
        labels = torch.arange(shares[rank]) + rank
        batch = Batch(images, labels, labels.numpy(), 0.0, shares)
        made.make(batch, step, measure=False)
        weights = [p.detach().clone() for p in made.recognizer.parameters()]
        found.append((made.loss_scale, weights))
        hook.remove()
    return found


@pytest.mark.parametrize("sharded", [True, False])
def test_an_overflow_in_one_process_makes_all_skip_the_step(sharded):
    begun = [p.detach() for p in updater(Processes(), False).recognizer.parameters()]
    found = in_processes(2, overflowing, sharded)
    for (first, skipped), (second, updated) in found:
        assert (first, second) == (32.0, 32.0)
        assert all(torch.equal(a, b) for a, b in zip(skipped[:-1], begun[:-1], strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(skipped, updated, strict=True))
    rows = [part[0][1][-1] for part in found]
    if sharded:
        assert torch.equal(torch.cat(rows), begun[-1])
    assert all(
        torch.equal(a, b) for a, b in zip(found[0][1][1][:-1], found[1][1][1][:-1], strict=True)
    )


def held(rank: int) -> int:
    """Bytes of class weights, their gradients and momentum after one update."""
    made = updater(Processes(rank, 2), True)
    weight = made.recognizer.classifier.weight
    largest = 0

    def note(parameter: nn.Parameter) -> None:
        nonlocal largest
        assert parameter.grad is not None
        largest = parameter.grad.nbytes

    weight.register_post_accumulate_grad_hook(note)
    images, labels = torch.randn(2, 3, 8, 8), torch.tensor([1, 5])
    made.make(Batch(images, labels, labels.numpy(), 0.0, (2, 2)), 0, measure=False)
    return weight.nbytes + largest + made.optimizer.state[weight]["momentum_buffer"].nbytes


def test_each_process_holds_its_part_of_weights_gradient_and_momentum():
    assert in_processes(2, held) == [12 * CLASSES * 16 // 2] * 2
