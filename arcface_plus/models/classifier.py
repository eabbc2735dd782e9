"""Class weights, margin head and cross entropy."""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.heads import MarginHead
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy
from arcface_plus.models.precision import at_least_float32, without_autocast
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
    """

    def __init__(self, embedding_dim: int, classes: int, head: nn.Module) -> None:
        super().__init__()
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
        self.shards = Shards(classes)
        self.weight = nn.Parameter(torch.empty(classes, embedding_dim))
        nn.init.normal_(self.weight, std=0.01)
        self.head = head

    def forward(self, embeddings: Tensor, labels: Tensor) -> Classified:
        """Embeddings (n, embedding_dim) of any norm and labels (n,) int64 → loss, accuracy."""
        with without_autocast(embeddings):
            rows = F.normalize(at_least_float32(embeddings))
            weight = F.normalize(at_least_float32(self.weight))
            if _only_a_margin(self.head):
                return Classified(*margin_cross_entropy(rows, weight, labels, self.head))
            cosine = F.linear(rows, weight)
            loss = F.cross_entropy(self.head(cosine, labels), labels)
            with torch.no_grad():
                accuracy = (cosine.argmax(dim=1) == labels).float().mean()
        return Classified(loss, accuracy)

    def extra_repr(self) -> str:
        classes, embedding_dim = self.weight.shape
        return f"embedding_dim={embedding_dim}, classes={classes}"


def _only_a_margin(head: nn.Module) -> TypeGuard[MarginHead]:
    """Whether ``with_margin`` fully defines the head: it does not override ``forward``."""
    return isinstance(head, MarginHead) and type(head).forward is MarginHead.forward
