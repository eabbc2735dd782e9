"""What an auxiliary loss is told, and when; most need only `forward`."""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.auxiliary import Auxiliary, AuxiliaryTerm, NoAuxiliary


class Spread(Auxiliary):
    """Only what must be there."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return embeddings.square().mean()


class Told(Spread):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []

    def prepare(self, classes: int, embedding_dim: int) -> None:
        self.told.append((classes, embedding_dim))

    def observe(self, embeddings: Tensor, labels: Tensor) -> None:
        assert not torch.is_grad_enabled()
        assert not embeddings.requires_grad
        self.told.append((len(embeddings), labels.tolist()))


def test_a_loss_without_state_needs_only_forward() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    term = AuxiliaryTerm(Spread(), 2.0, classes=5, embedding_dim=3)
    value = term(x, torch.arange(4))
    torch.testing.assert_close(torch.autograd.grad(value, x)[0], 2 * x.detach() / 12)
    assert term.acts


def test_state_is_told_sizes_once_and_whole_batches() -> None:
    loss = Told()
    term = AuxiliaryTerm(loss, 1.0, classes=5, embedding_dim=3)
    x = torch.randn(4, 3, requires_grad=True)
    term(x[:3], torch.tensor([4, 0, 2]), closing=False)
    term(x[3:], torch.tensor([1]), closing=True)
    term(x, torch.arange(4))
    assert loss.told == [(5, 3), (4, [4, 0, 2, 1]), (4, [0, 1, 2, 3])]


def test_none_is_zero_outside_the_graph() -> None:
    value = NoAuxiliary()(torch.ones(2, 3, requires_grad=True), torch.zeros(2, dtype=torch.int64))
    assert value.item() == 0.0
    assert not value.requires_grad
