"""The loss over shards equals that of one process: value, accuracy and both gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from processes import in_processes
from torch import Tensor

from arcface_plus.models.collectives import gather_for_shared_work
from arcface_plus.models.heads import ArcFace, MarginHead, NormalizedSoftmax
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy
from arcface_plus.models.sharded_cross_entropy import sharded_cross_entropy
from arcface_plus.models.shards import Shards

Found = tuple[Tensor, Tensor, Tensor, Tensor]  # loss, accuracy, gradients of embeddings and weight
SIZES = {2: (5, 4), 3: (3, 3, 2), 4: (2, 2, 1, 1)}
HEADS = [ArcFace(16.0, 0.3), ArcFace(64.0, 0.5, "straight_through"), NormalizedSoftmax(30.0)]


def problem(classes: int, images: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Unit embeddings, most near their class, unit class weights, labels."""
    generator = torch.Generator().manual_seed(classes)
    weight = F.normalize(torch.randn(classes, 32, dtype=torch.float64, generator=generator))
    labels = torch.randint(classes, (images,), generator=generator)
    noise = torch.randn(images, 32, dtype=torch.float64, generator=generator)
    nearness = torch.linspace(0.0, 2.0, images, dtype=torch.float64).unsqueeze(1)
    rows = F.normalize(0.2 * noise + nearness * weight[labels])
    return rows.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_(), labels


def whole(classes: int, images: int, dtype: torch.dtype, head: MarginHead) -> Found:
    rows, weight, labels = problem(classes, images, dtype)
    loss, accuracy = margin_cross_entropy(rows, weight, labels, head)
    (3.0 * loss).backward()
    assert rows.grad is not None
    assert weight.grad is not None
    return loss.detach(), accuracy, rows.grad, weight.grad


def over_shards(
    rank: int, cases: list[tuple[int, torch.dtype]], sizes: tuple[int, ...], head: MarginHead
) -> list[Found]:
    found = []
    for classes, dtype in cases:
        rows, weight, labels = problem(classes, sum(sizes), dtype)
        shards = Shards(classes, rank, len(sizes))
        mine = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
        own_rows = rows.detach()[mine].clone().requires_grad_()
        own_weight = weight.detach()[shards.own].clone().requires_grad_()
        place = shards.place(labels)
        everyone = gather_for_shared_work(own_rows, sizes)
        loss, accuracy = sharded_cross_entropy(everyone, own_weight, place, head)
        (3.0 * loss).backward()
        assert not accuracy.requires_grad
        assert own_rows.grad is not None
        assert own_weight.grad is not None
        found.append((loss.detach(), accuracy, own_rows.grad, own_weight.grad))
    return found


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("head", HEADS, ids=str)
def test_value_and_gradients_are_those_of_one_process(count: int, head: MarginHead) -> None:
    """5 classes over 4 processes leave one without any."""
    tolerances = {torch.float64: 1e-13, torch.float32: 1e-6}
    cases = [(classes, dtype) for classes in (2, 5, 11, 5003) for dtype in tolerances]
    sizes = SIZES[count]
    by_process = in_processes(count, over_shards, cases, sizes, head)
    for number, (classes, dtype) in enumerate(cases):
        parts = [found[number] for found in by_process]
        loss, accuracy, by_rows, by_weight = whole(classes, sum(sizes), dtype, head)
        tolerance = tolerances[dtype]
        for part in parts:
            torch.testing.assert_close(part[0], loss, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(part[1], accuracy, rtol=0, atol=1e-7)
            assert torch.equal(part[0], parts[0][0])
        for index, expected in ((2, by_rows), (3, by_weight)):
            joined = torch.cat([part[index] for part in parts])
            limit = tolerance * float(expected.abs().max())
            torch.testing.assert_close(joined, expected, rtol=0, atol=limit)


def not_finite(rank: int, where: str) -> bool:
    rows, weight, labels = problem(11, 4, torch.float32)
    shards = Shards(11, rank, 2)
    rows, own_weight = rows.detach(), weight.detach()[shards.own]
    if where == "embeddings":
        rows[3, 0] = torch.nan
    elif rank == 1:
        own_weight[0, 0] = torch.nan
    loss, _ = sharded_cross_entropy(rows, own_weight, shards.place(labels), ArcFace())
    return bool(torch.isnan(loss))


@pytest.mark.parametrize("where", ["embeddings", "weight"])
def test_nan_in_one_process_is_nan_in_all(where: str) -> None:
    assert in_processes(2, not_finite, where) == [True, True]


def extreme(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """An embedding on its class and one opposite to it."""
    weight = torch.eye(4, dtype=dtype)
    return torch.stack([weight[0], -weight[3]]).requires_grad_(), torch.tensor([0, 3])


def easy_and_hard(rank: int, dtype: torch.dtype) -> Tensor:
    rows, labels = extreme(dtype)
    shards = Shards(4, rank, 2)
    weight = torch.eye(4, dtype=dtype)[shards.own]
    loss, _ = sharded_cross_entropy(rows, weight, shards.place(labels), ArcFace())
    loss.backward()
    assert rows.grad is not None
    return rows.grad


def test_easy_samples_keep_their_digits() -> None:
    """Their gradient, e^-64 of the largest, would be lost in p − 1."""
    rows, labels = extreme(torch.float32)
    margin_cross_entropy(rows, torch.eye(4), labels, ArcFace())[0].backward()
    found = sum(in_processes(2, easy_and_hard, torch.float32))
    torch.testing.assert_close(found, rows.grad, rtol=1e-5, atol=0)
    assert found[0].abs().max() > 0
