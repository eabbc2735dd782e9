"""The class weights of a run, on one process or split over several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.class_loss import Held, Progress, class_loss, nearest_centres
from arcface_plus.models.class_rows import class_rows
from arcface_plus.models.class_sampling import ClassSampling
from arcface_plus.models.collectives import (
    average_gradients,
    for_averaging,
    gather_rows,
    sum_for_repeated_work,
    sum_gradients,
)
from arcface_plus.models.heads.checks import check_labels
from arcface_plus.models.heads.head import Classes, Head, no_facts
from arcface_plus.models.initial_rows import normal_rows
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.sharded_loss import sharded_loss
from arcface_plus.models.shards import Shards


class Classified(NamedTuple):
    """The classifier's result for a batch: scalars on its device."""

    loss: Tensor
    """The head's loss, averaged over the batch."""
    accuracy: Tensor
    """Share of the batch whose highest score (without margin) is the labelled class; detached."""


class Classifier(nn.Module):
    """Embeddings are compared with the weight rows of the classes by cosine.

    ``weight``: (classes, embedding_dim), or (classes, K, embedding_dim) if the head has K > 1
    sub-centres; drawn from a normal distribution with standard deviation ``std``. ``bias``:
    (classes,) zeros if the head uses one, else None. A ``MarginHead`` is computed in one
    (n, classes) buffer, other heads by autograd. Everything runs in at least float32 without
    autocast.

    With ``shards`` of several processes, ``weight`` and ``bias`` are this process's rows. Without,
    every process holds all of them. With ``sampling``, loss and accuracy are those among the
    classes of each step; others get a gradient of 0.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        embedding_dim: int,
        classes: int,
        head: Head,
        shards: Shards | None = None,
        sampling: ClassSampling | None = None,
        std: float = 0.01,
    ) -> None:
        super().__init__()
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
        if not isinstance(head, Head):
            raise ValueError(f"the head must be a Head, not a {type(head).__name__}")
        if head.sub_centres > 1 and head.uses_class_norms:
            raise ValueError("a head with several rows per class cannot use the norms of classes")
        self.shards = shards or Shards(classes)
        assert self.shards.rows == classes
        weight = normal_rows(self.shards, head.sub_centres * embedding_dim, std=std)
        rows = () if head.sub_centres == 1 else (head.sub_centres,)
        self.weight = nn.Parameter(weight.view(len(weight), *rows, embedding_dim))
        bias = nn.Parameter(torch.zeros(len(weight))) if head.uses_bias else None
        self.register_parameter("bias", bias)
        head.prepare(classes)
        self.head, self.sampling = head, sampling

    @property
    def sharded(self) -> bool:
        """Whether other processes hold other classes."""
        return self.shards.count > 1

    def rows(self) -> Tensor:
        """One row per class of ``shards.own``, for regularizers and angles."""
        return class_rows(self.weight)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        step: int = 0,
        closing: bool = True,
        sizes: Sequence[int] | None = None,
    ) -> Classified:
        """Embeddings (n, embedding_dim) of any norm and labels (n,) int64 → loss, accuracy.

        ``step``: number of the update, from 0; ``closing``: whether this is the last part of the
        batch, for heads that depend on them.

        ``sizes``: of several processes, how many embeddings each has; a collective call. Loss and
        accuracy are those of all embeddings, equal on every process. The backbone's gradients are
        then right once averaged over the processes; this module's after ``reduce_gradients``.
        """
        progress = Progress(step, closing)
        sizes = None if sizes is None or len(sizes) == 1 else sizes
        with without_autocast(embeddings):
            embeddings = at_least_float32(embeddings)
            check_labels(labels, len(embeddings), self.shards.rows)
            if self.sharded:
                assert sizes is not None, "how many embeddings have the other processes?"
                place = self.shards.place(gather_rows(labels, sizes))
                held = self._held(place, place, step)
                embeddings = for_averaging(embeddings)
                return Classified(*sharded_loss(self.head, embeddings, held, progress, sizes))
            everyone = labels
            if sizes is not None and self.sampling is not None:
                everyone = gather_rows(labels, sizes)
            held = self._held(labels, everyone, step)
            found = class_loss(self.head, embeddings, held, progress, sizes)
            if sizes is None:
                return Classified(*found)
            share = len(labels) / sum(sizes)
            loss, accuracy = (sum_for_repeated_work(value * share) for value in found)
            return Classified(for_averaging(loss), accuracy)

    def scores(self, embeddings: Tensor) -> Tensor:
        """Embeddings (n, embedding_dim) → scores (n, classes): the prediction is the highest.

        Cosines, or logits (see ``Head.scores``). Only where this process holds all classes.
        """
        assert not self.sharded
        with without_autocast(embeddings):
            embeddings, weight = at_least_float32(embeddings), at_least_float32(self.weight)
            norm, bias = no_facts(weight, len(weight))
            if self.head.uses_class_norms:
                norm = weight.norm(dim=-1)
            if self.bias is not None:
                bias = at_least_float32(self.bias)
            cosine = nearest_centres(F.normalize(embeddings), F.normalize(weight, dim=-1))
            return self.head.scores(cosine, embeddings.norm(dim=1), Classes(norm, bias))

    def reduce_gradients(self) -> None:
        """Complete gradients over several processes, once after the backward passes of a batch."""
        if self.sharded:
            sum_gradients(self.head.parameters())
        else:
            average_gradients(self.parameters())

    def sharded_parameters(self) -> list[nn.Parameter]:
        """The parameters of which other processes hold other rows."""
        own = [self.weight] if self.bias is None else [self.weight, self.bias]
        return own if self.sharded else []

    def _held(self, place: Tensor, labelled: Tensor, step: int) -> Held:
        """The classes of ``step``. ``place``: of the samples'; ``labelled``: of the batch's."""
        index = None
        if self.sampling is not None:
            index, place = self.sampling.choose(self.shards.own, step, place, labelled)

        def some(values: Tensor) -> Tensor:
            return at_least_float32(values if index is None else values.index_select(0, index))

        weight = some(self.weight)
        norm, bias = no_facts(weight, len(weight))
        if self.head.uses_class_norms:
            norm = weight.norm(dim=-1)
        if self.bias is not None:
            bias = some(self.bias)
        return Held(F.normalize(weight, dim=-1), Classes(norm, bias), place)

    def extra_repr(self) -> str:
        parts = [f"embedding_dim={self.weight.shape[-1]}", f"classes={self.shards.rows}"]
        if self.sharded:
            own = self.shards.own
            parts.append(f"own={own.start}:{own.stop}")
        return ", ".join(parts)
