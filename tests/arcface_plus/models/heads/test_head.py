"""What all heads share: what forward asks for, and the loss as a cross entropy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.heads import ArcFace, Classes, Head, Samples
from arcface_plus.models.heads.head import HIDDEN


class Normed(Head):
    """Logits of raw embeddings and weights."""

    uses_norms = uses_class_norms = observes = True

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def labelled(self, samples: Samples) -> Tensor:
        return samples.norm * samples.own.norm * samples.cosine

    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        return samples.norm[:, None] * classes.norm * cosine

    def observe(self, samples: Samples, closing: bool) -> None:
        self.calls += 1
        assert closing


def test_forward_asks_for_what_the_head_uses() -> None:
    head, cosine, labels = Normed(), torch.rand(2, 3), torch.tensor([0, 2])
    with pytest.raises(ValueError, match=r"Normed needs the norms of the embeddings: head\(cosine"):
        head(cosine, labels)
    with pytest.raises(ValueError, match="Normed needs norms and biases of the classes"):
        head(cosine, labels, torch.ones(2))
    norms, classes = (
        torch.tensor([2.0, 3.0]),
        Classes(torch.tensor([1.0, 2.0, 4.0]), torch.zeros(3)),
    )
    expected = cosine * norms[:, None] * classes.norm
    torch.testing.assert_close(head(cosine, labels, norms, classes), expected)
    assert head.calls == 1
    head.eval()(cosine, labels, norms, classes)
    assert head.calls == 1


def test_the_loss_is_a_cross_entropy_precise_for_easy_samples() -> None:
    torch.manual_seed(0)
    head = ArcFace()
    labelled = torch.tensor([-700.0, -1.0, 0.0, 3.0, 60.0, 80.0])
    others = torch.randn(6, 4)
    loss = head.loss(labelled, head.pool(others))
    logits = torch.cat([labelled[:, None], others], dim=1).double()
    exact = torch.log1p(torch.exp(logits[:, 1:] - logits[:, :1]).sum(1))
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=0)
    expected = F.cross_entropy(logits, torch.zeros(6, dtype=torch.int64), reduction="none")
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)


def test_parts_without_classes_or_with_the_labelled_one_alone_add_nothing() -> None:
    head, labelled = ArcFace(), torch.tensor([1.0])
    others = torch.tensor([[0.5, -0.5]], requires_grad=True)
    alone = torch.full((1, 1), HIDDEN, requires_grad=True)
    pools = torch.stack([head.pool(others), head.pool(alone), head.pool(torch.zeros(1, 0))], dim=1)
    loss = head.loss(labelled, head.merge(pools))
    torch.testing.assert_close(loss, head.loss(labelled, head.pool(others)))
    by_others, by_alone = torch.autograd.grad(loss.sum(), (others, alone))
    assert bool((by_others > 0).all())
    assert by_alone.item() == 0.0
