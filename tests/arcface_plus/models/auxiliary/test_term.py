"""An auxiliary loss in training: weight, parts of a batch, processes, precision."""

from __future__ import annotations

import pytest
import torch
from processes import in_processes
from torch import Tensor

from arcface_plus.models.auxiliary import AuxiliaryTerm, CentreLoss, NoAuxiliary


def term(weight: float = 0.1) -> AuxiliaryTerm:
    return AuxiliaryTerm(CentreLoss(), weight, classes=5, embedding_dim=3)


def batch() -> tuple[Tensor, Tensor]:
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    return x, torch.arange(8) % 5


@pytest.mark.parametrize("sizes", [[3, 5], [2, 2, 2, 2], [8]])
def test_parts_move_the_centres_once_as_the_whole_batch_does(sizes: list[int]) -> None:
    whole, parts = term(), term()
    x, labels = batch()
    whole(x, labels)
    for number, (e, y) in enumerate(zip(x.split(sizes), labels.split(sizes), strict=True), 1):
        assert not parts.loss.centres.any()
        parts(e, y, closing=number == len(sizes))
    torch.testing.assert_close(parts.loss.centres, whole.loss.centres)
    assert whole.loss.centres.any()


def test_state_moves_in_training_only() -> None:
    made = term()
    with torch.no_grad():
        made(*batch())
    made.eval()(*batch())
    assert not made.loss.centres.any()


def test_half_precision_is_left_at_the_door() -> None:
    x, labels = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = term()(x.bfloat16(), labels)
    assert value.dtype == torch.float32
    assert torch.equal(value, term()(x.bfloat16().float(), labels))


def moved(rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """One of two processes, with 5 and 3 of the embeddings: centres, value, gradient."""
    made, sizes = term(), [5, 3]
    x, labels = (values.split(sizes)[rank] for values in batch())
    x = x.clone().requires_grad_()
    value = made(x, labels, sizes=sizes)
    value.backward()
    assert x.grad is not None
    return made.loss.centres, value.detach(), x.grad


def test_with_several_processes_it_is_about_the_whole_batch() -> None:
    one, two = in_processes(2, moved)
    assert torch.equal(one[0], two[0])
    alone, (x, labels) = term(), batch()
    x.requires_grad_()
    value = alone(x, labels)
    value.backward()
    torch.testing.assert_close(one[0], alone.loss.centres)
    torch.testing.assert_close(one[1], value.detach())
    torch.testing.assert_close(two[1], value.detach())
    averaged = torch.cat([one[2], two[2]]) / 2  # as the backbone's gradients are
    torch.testing.assert_close(averaged, x.grad)


def test_when_it_acts() -> None:
    assert term().acts
    assert not term(0.0).acts
    assert not AuxiliaryTerm(NoAuxiliary(), 1.0, 5, 3).acts
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="auxiliary loss's weight must be finite"):
            term(weight)
