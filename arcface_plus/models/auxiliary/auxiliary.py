"""What every auxiliary loss is: a scalar of a batch's embeddings and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Auxiliary(nn.Module, ABC):
    """``loss(embeddings (n, d), labels (n,)) -> scalar``, of the size of one sample's loss.

    Called with autocast off and embeddings of at least float32, as the backbone gives them (not
    normalized). State is kept in buffers; there are no learned weights.
    """

    acts: bool = True
    """Whether it can change a loss at all."""

    def prepare(self, classes: int, embedding_dim: int) -> None:
        """Learn how large things are; called once, before anything else."""

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Of the embeddings (n, d) and labels (n,) int64 of one process."""

    def observe(self, embeddings: Tensor, labels: Tensor) -> None:
        """Update state after the loss of a whole batch: of all its parts and of all processes, in
        the same order everywhere, in training, without gradient."""
