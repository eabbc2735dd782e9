"""Class weights, head and loss."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.class_rows import class_rows
from arcface_plus.models.gathering import from_all_processes
from arcface_plus.models.heads.checks import check_labels
from arcface_plus.models.heads.head import HIDDEN, Classes, Head, Samples, no_facts
from arcface_plus.models.heads.margin_head import fits_one_buffer
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.shards import Shards


class Classified(NamedTuple):
    """The classifier's result for a batch: scalars on its device."""

    loss: Tensor
    """The head's loss, averaged over the batch."""
    accuracy: Tensor
    """Share of the batch whose largest cosine (without margin) is the labelled class; detached."""


class Classifier(nn.Module):
    """Embeddings are compared with the weight rows of the classes by cosine.

    ``weight``: (classes, embedding_dim), or (classes, K, embedding_dim) if the head has K > 1
    sub-centres; drawn from a normal distribution with standard deviation 0.01. ``bias``: (classes,)
    zeros if the head uses one, else None. A ``MarginHead`` is computed in one (n, classes) buffer,
    other heads by autograd. Everything runs in at least float32 without autocast.
    """

    bias: nn.Parameter | None

    def __init__(self, embedding_dim: int, classes: int, head: Head) -> None:
        super().__init__()
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
        if not isinstance(head, Head):
            raise ValueError(f"the head must be a Head, not a {type(head).__name__}")
        if head.sub_centres > 1 and head.uses_class_norms:
            raise ValueError("a head with several rows per class cannot use the norms of classes")
        rows = () if head.sub_centres == 1 else (head.sub_centres,)
        self.shards = Shards(classes)
        self.weight = nn.Parameter(torch.empty(classes, *rows, embedding_dim))
        nn.init.normal_(self.weight, std=0.01)
        bias = nn.Parameter(torch.zeros(classes)) if head.uses_bias else None
        self.register_parameter("bias", bias)
        head.prepare(classes)
        self.head = head

    def rows(self) -> Tensor:
        """One row per class (classes, embedding_dim), for regularizers and angles."""
        return class_rows(self.weight)

    def forward(
        self, embeddings: Tensor, labels: Tensor, step: int = 0, closing: bool = True
    ) -> Classified:
        """Embeddings (n, embedding_dim) of any norm and labels (n,) int64 → loss, accuracy.

        ``step``: number of the update, from 0; ``closing``: whether this is the last part of the
        batch, for heads that depend on them.
        """
        with without_autocast(embeddings):
            embeddings, weight = at_least_float32(embeddings), at_least_float32(self.weight)
            rows, centres = F.normalize(embeddings), F.normalize(weight, dim=-1)
            norms = embeddings.norm(dim=1) if self.head.uses_norms else None
            check_labels(labels, len(rows), len(centres))
            if fits_one_buffer(self.head):
                return self._in_one_buffer(rows, centres, norms, labels, step, closing)
            cosine = F.linear(rows, centres.flatten(0, -2))
            if self.head.sub_centres > 1:
                cosine = cosine.unflatten(1, (-1, self.head.sub_centres)).amax(dim=2)
            return self._by_autograd(cosine, norms, labels, step, closing)

    def _in_one_buffer(
        self, rows: Tensor, centres: Tensor, norms: Tensor | None, labels: Tensor,
        step: int, closing: bool,
    ) -> Classified:  # fmt: skip
        assert fits_one_buffer(self.head)
        samples = None
        if self.head.observes or self.head.uses_norms:
            with torch.no_grad():
                cosine = (rows * centres[labels]).sum(dim=1)
            samples = _samples(cosine, norms, no_facts(cosine, len(cosine)), step)
            self._observe(samples, closing)
        loss, accuracy = margin_cross_entropy(rows, centres, labels, self.head, norms, step)
        return Classified(self._with_penalty(loss, samples), accuracy)

    def _by_autograd(
        self, cosine: Tensor, norms: Tensor | None, labels: Tensor, step: int, closing: bool
    ) -> Classified:
        index, classes = labels.unsqueeze(1), self._classes(cosine)
        samples = _samples(cosine.gather(1, index).squeeze(1), norms, classes.of(labels), step)
        self._observe(samples, closing)
        others = self.head.others(cosine, samples, classes).scatter(1, index, HIDDEN)
        losses = self.head.loss(self.head.labelled(samples), self.head.pool(others))
        with torch.no_grad():
            accuracy = (cosine.argmax(dim=1) == labels).float().mean()
        return Classified(self._with_penalty(losses.mean(), samples), accuracy)

    def _classes(self, like: Tensor) -> Classes:
        """Norms and biases of the classes, where the head uses them."""
        norm, bias = no_facts(like, len(self.weight))
        if self.head.uses_class_norms:
            norm = at_least_float32(self.weight).norm(dim=-1)
        if self.bias is not None:
            bias = at_least_float32(self.bias)
        return Classes(norm, bias)

    def _observe(self, samples: Samples, closing: bool) -> None:
        """Show the batches of all processes to a head that keeps statistics, in training."""
        if self.head.observes and self.head.training and torch.is_grad_enabled():
            cosine, norm = from_all_processes(torch.stack(samples[:2], dim=1)).unbind(dim=1)
            with torch.no_grad():
                own = no_facts(cosine, len(cosine))
                self.head.observe(Samples(cosine, norm, own, samples.step), closing)

    def _with_penalty(self, loss: Tensor, samples: Samples | None) -> Tensor:
        penalty = None if samples is None else self.head.penalty(samples)
        return loss if penalty is None else loss + penalty.mean()

    def extra_repr(self) -> str:
        classes, embedding_dim = self.weight.shape[0], self.weight.shape[-1]
        return f"embedding_dim={embedding_dim}, classes={classes}"


def _samples(cosine: Tensor, norms: Tensor | None, own: Classes, step: int) -> Samples:
    return Samples(cosine, torch.ones_like(cosine) if norms is None else norms, own, step)
