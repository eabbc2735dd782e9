"""Every head over shards gives the loss, accuracy and gradients of one process."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from processes import in_processes
from torch import Tensor

from arcface_plus.models.class_sampling import ClassSampling
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import HEADS, Classes, Head, Samples
from arcface_plus.models.shards import Shards

SIZES = {2: (5, 4), 3: (3, 4, 2), 4: (3, 2, 2, 2)}
DIMENSIONS = 8


class Everything(Head):
    """Uses all that a head may use, also of the labelled class in the other logits."""

    uses_norms = uses_class_norms = uses_bias = observes = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def labelled(self, samples: Samples) -> Tensor:
        own = samples.own
        return samples.norm * own.norm * (samples.cosine - 0.1) + own.bias - self.seen

    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        own = samples.own
        hard = (samples.cosine * own.norm + own.bias).unsqueeze(1)
        return samples.norm[:, None] * (classes.norm * cosine + 0.2 * hard * cosine) + classes.bias

    def observe(self, samples: Samples, closing: bool) -> None:
        self.seen = samples.norm.mean() + samples.cosine[0] + samples.step

    def penalty(self, samples: Samples) -> Tensor:
        return 0.5 * samples.norm


def made(name: str) -> Head:
    return Everything() if name == "everything" else HEADS[name]()


def problem(classes: int, images: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(classes)
    rows = torch.randn(images, DIMENSIONS, dtype=torch.float64, generator=generator)
    return rows, torch.randint(classes, (images,), generator=generator)


def computed(
    name: str,
    classes: int,
    sizes: tuple[int, ...],
    rank: int,
    sharded: bool,
    sampling: ClassSampling | None = None,
) -> dict[str, Tensor]:
    """What two calls, of two steps, give on one process; rank -1: on the only one."""
    shards = Shards(classes, rank, len(sizes)) if sharded else None
    torch.manual_seed(0)
    classifier = Classifier(DIMENSIONS, classes, made(name), shards, sampling).double()
    classifier.weight.data *= 100
    if classifier.bias is not None:
        whole = torch.linspace(-1, 1, classes, dtype=torch.float64)
        classifier.bias.data = whole[classifier.shards.own].clone()
    rows, labels = problem(classes, sum(sizes))
    mine = slice(None) if rank < 0 else slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    rows, labels = rows[mine].clone().requires_grad_(), labels[mine]
    given = None if rank < 0 else sizes
    total = torch.zeros(())
    for step in (0, 1):
        loss, accuracy = classifier(rows, labels, step, closing=True, sizes=given)
        assert not accuracy.requires_grad
        total = total + loss
    total.backward()
    found = {"loss": total.detach(), "accuracy": accuracy, "rows": rows.grad}
    found |= {f"by {name}": p.grad for name, p in classifier.named_parameters()}
    return found | dict(classifier.named_buffers())


def in_one(rank: int, cases: list[tuple[Any, ...]], sizes: tuple[int, ...]) -> list[Any]:
    return [computed(name, classes, sizes, rank, *how) for name, classes, *how in cases]


@pytest.mark.parametrize("count", SIZES)
def test_every_head_over_shards_and_replicated(count: int) -> None:
    """5 classes over 4 processes leave one without any."""
    names = [*HEADS, "everything"]
    cases = [(n, c, way) for n in names for c in (2, 5, 11) for way in (True, False)]
    compare(count, cases)


@pytest.mark.parametrize("count", [2, 4])
def test_sampled_classes_do_not_depend_on_the_processes(count: int) -> None:
    sampling = ClassSampling(0.4, seed=5)
    names = ("arcface", "subcenter_arcface", "everything")
    compare(count, [(n, c, way, sampling) for n in names for c in (5, 23) for way in (True, False)])


def compare(count: int, cases: list[tuple[Any, ...]]) -> None:
    by_process = in_processes(count, in_one, cases, SIZES[count])
    for number, (name, classes, sharded, *more) in enumerate(cases):
        parts = [found[number] for found in by_process]
        expected = computed(name, classes, SIZES[count], -1, False, *more)
        for key, value in expected.items():
            found = [part[key] for part in parts]
            if key == "rows":  # to be averaged, with the rest of the backbone's gradient
                found = [torch.cat(found) / count]
            elif key.startswith("by head."):
                found = [sum(found) / (1 if sharded else count)]
            elif key.startswith("by "):
                found = [torch.cat(found) if sharded else sum(found) / count]
            tolerance = 1e-6 if key == "accuracy" else 1e-12  # which may be float32
            for one in found:
                torch.testing.assert_close(
                    one, value, rtol=tolerance, atol=tolerance, check_dtype=False,
                    msg=lambda text, about=(name, classes, sharded, key): f"{about}: {text}",
                )  # fmt: skip


def test_where_shards_are_the_whole_it_asks_for_the_others() -> None:
    classifier = Classifier(4, 6, made("arcface"), Shards(6, 0, 2))
    with pytest.raises(AssertionError, match="the other processes"):
        classifier(torch.randn(2, 4), torch.tensor([0, 1]))
