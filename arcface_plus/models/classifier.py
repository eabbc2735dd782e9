"""Class weights, margin head and cross entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.collectives import gather_rows, mean_over_processes
from arcface_plus.models.heads import MarginHead
from arcface_plus.models.heads.checks import check_labels
from arcface_plus.models.initial_rows import normal_rows
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.sharded_cross_entropy import sharded_cross_entropy
from arcface_plus.models.shards import Shards


class Classified(NamedTuple):
    """The classifier's result for a batch: scalars on its device."""

    loss: Tensor
    """Cross entropy over the head's logits, averaged over the batch."""
    accuracy: Tensor
    """Share of the batch whose largest cosine (without margin) is the labelled class; detached."""


class Classifier(nn.Module):
    """One weight row per class; embeddings are compared with the rows by cosine.

    ``weight``: (classes, embedding_dim), drawn from a normal distribution with standard deviation
    0.01. ``head`` maps cosines (n, classes) and labels to logits; a ``MarginHead`` is computed in
    one buffer of that size, any other module by autograd. Everything runs in at least float32
    without autocast.

    With ``shards`` of several processes, ``weight`` and everything else that this module holds are
    this process's rows. Without, every process holds all classes, and ``average_gradients`` must
    follow a backward pass if there are several.
    """

    def __init__(
        self, embedding_dim: int, classes: int, head: nn.Module, shards: Shards | None = None
    ) -> None:
        super().__init__()
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
        self.shards = shards or Shards(classes)
        assert self.shards.rows == classes
        if self.sharded and not only_a_margin(head):
            raise ValueError(
                f"{type(head).__name__} is not a MarginHead, so its classes cannot be sharded"
            )
        self.weight = nn.Parameter(normal_rows(self.shards, embedding_dim, std=0.01))
        self.head = head

    @property
    def sharded(self) -> bool:
        """Whether other processes hold other classes."""
        return self.shards.count > 1

    def forward(
        self, embeddings: Tensor, labels: Tensor, sizes: Sequence[int] | None = None
    ) -> Classified:
        """Embeddings (n, embedding_dim) of any norm and labels (n,) int64 → loss, accuracy.

        ``sizes``: of several processes, how many embeddings each has. Loss and accuracy are then
        those of all embeddings, equal on every process, in a collective call. Gradients are those
        of which the mean over the processes is right: what each process adds for the weights that
        all of them hold, times their number.
        """
        with without_autocast(embeddings):
            rows = F.normalize(at_least_float32(embeddings))
            if sizes is None or len(sizes) == 1:
                assert not self.sharded, "without the other processes' sizes"
                return self._compared(rows, labels)
            if self.sharded:
                return self._compared_over_shards(rows, labels, sizes)
            share = len(labels) * len(sizes) / sum(sizes)
            found = self._compared(rows, labels)
            return Classified(*(mean_over_processes(value * share) for value in found))

    def _compared(self, rows: Tensor, labels: Tensor) -> Classified:
        """Of unit ``rows`` with all classes."""
        weight = F.normalize(at_least_float32(self.weight))
        if only_a_margin(self.head):
            return Classified(*margin_cross_entropy(rows, weight, labels, self.head))
        cosine = F.linear(rows, weight)
        loss = F.cross_entropy(self.head(cosine, labels), labels)
        with torch.no_grad():
            accuracy = (cosine.argmax(dim=1) == labels).float().mean()
        return Classified(loss, accuracy)

    def _compared_over_shards(
        self, rows: Tensor, labels: Tensor, sizes: Sequence[int]
    ) -> Classified:
        """Of the unit rows of all processes with the classes of all processes."""
        labels = gather_rows(labels, sizes)
        check_labels(labels, self.shards.rows)
        place = self.shards.place(labels)
        weight = F.normalize(at_least_float32(self.weight))
        if rows.requires_grad:
            # The whole gradient, not this process's part of it: their mean is the sum of those.
            rows.register_hook(lambda gradient: gradient * len(sizes))
        assert only_a_margin(self.head)
        return Classified(*sharded_cross_entropy(rows, weight, place, self.head, sizes))

    def extra_repr(self) -> str:
        classes, embedding_dim = self.shards.rows, self.weight.shape[1]
        return f"embedding_dim={embedding_dim}, classes={classes}, processes={self.shards.count}"


def only_a_margin(head: nn.Module) -> TypeGuard[MarginHead]:
    """Whether ``with_margin`` fully defines the head: it does not override ``forward``."""
    return isinstance(head, MarginHead) and type(head).forward is MarginHead.forward
