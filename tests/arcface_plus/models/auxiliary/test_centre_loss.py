"""Centre loss and its centres against the paper's formulas, one number at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcface_plus.models.auxiliary import CentreLoss


def made(rate: float = 0.5) -> CentreLoss:
    loss = CentreLoss(rate)
    loss.prepare(5, 3)
    loss.centres.normal_(generator=torch.Generator().manual_seed(0))
    return loss


def batch() -> tuple[Tensor, Tensor]:
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    return x.requires_grad_(), torch.tensor([0, 3, 3, 1, 0, 3, 4])


def test_is_half_the_mean_squared_distance() -> None:
    loss, (x, labels) = made(), batch()
    total = sum(0.5 * ((e - loss.centres[y]) ** 2).sum() for e, y in zip(x, labels, strict=True))
    value = loss(x, labels)
    torch.testing.assert_close(value, total / 7)
    torch.testing.assert_close(
        torch.autograd.grad(value, x)[0], (x - loss.centres[labels]).detach() / 7
    )


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_centres_move_as_in_the_paper(rate: float) -> None:
    loss, (x, labels) = made(rate), batch()
    expected = loss.centres.clone()
    for y in range(5):
        mine = x[labels == y].detach()
        delta = (loss.centres[y] - mine).sum(dim=0) / (1 + len(mine))
        expected[y] -= rate * delta
    loss.observe(x, labels)
    torch.testing.assert_close(loss.centres, expected)


def test_the_backward_pass_is_that_of_the_centres_before_they_moved() -> None:
    loss, (x, labels) = made(), batch()
    expected = (x - loss.centres[labels]).detach() / 7
    value = loss(x, labels)
    loss.observe(x, labels)
    torch.testing.assert_close(torch.autograd.grad(value, x)[0], expected)


def test_centres_start_at_zero_and_are_saved() -> None:
    loss = CentreLoss()
    loss.prepare(4, 2)
    assert torch.equal(loss.state_dict()["centres"], torch.zeros(4, 2))
    assert not list(loss.parameters())


def test_double_precision_embeddings() -> None:
    loss, (x, labels) = made(), batch()
    value = loss(x.double(), labels)
    assert value.dtype == torch.float64
    loss.observe(x.double(), labels)
    assert loss.centres.dtype == torch.float32


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be from 0 to 1"):
        CentreLoss(rate)
