"""An auxiliary loss as a term of the training loss: weight, parts of a batch, processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arcface_plus.models.auxiliary.auxiliary import Auxiliary
from arcface_plus.models.collectives import for_averaging, gather_rows, sum_for_repeated_work
from arcface_plus.models.precision import at_least_float32, without_autocast


class AuxiliaryTerm(nn.Module):
    """``loss`` times ``weight``, for ``classes`` classes and embeddings (n, embedding_dim).

    Each process computes it on its own embeddings (and, if the batch comes in parts, on each
    part's): pairs and triplets are those within them. State such as centres follows the whole
    batch of all processes, after it.
    """

    def __init__(self, loss: Auxiliary, weight: float, classes: int, embedding_dim: int) -> None:
        super().__init__()
        if not (weight >= 0.0 and math.isfinite(weight)):
            raise ValueError(
                f"the auxiliary loss's weight must be finite and at least 0, not {weight}"
            )
        loss.prepare(classes, embedding_dim)
        self.loss, self.weight = loss, float(weight)
        self._parts: list[tuple[Tensor, Tensor]] = []

    @property
    def acts(self) -> bool:
        """Whether it changes the training loss."""
        return self.weight > 0.0 and self.loss.acts

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        closing: bool = True,
        sizes: Sequence[int] | None = None,
    ) -> Tensor:
        """The loss of a part of a batch, not weighted; ``closing``: whether it is the last.

        ``sizes``: of several processes, how many embeddings each has in this part; a collective
        call. The value is the mean over all of them; its gradient is right once averaged.
        """
        several = sizes is not None and len(sizes) > 1
        with without_autocast(embeddings):
            embeddings = at_least_float32(embeddings)
            value: Tensor = self.loss(embeddings, labels)
            if self.training and torch.is_grad_enabled():
                self._collect(embeddings, labels, closing, sizes if several else None)
            if sizes is not None and several:
                value = for_averaging(sum_for_repeated_work(value * (len(labels) / sum(sizes))))
        return value

    @torch.no_grad()
    def _collect(
        self, embeddings: Tensor, labels: Tensor, closing: bool, sizes: Sequence[int] | None
    ) -> None:
        embeddings = embeddings.detach()
        if sizes is not None:
            embeddings, labels = gather_rows(embeddings, sizes), gather_rows(labels, sizes)
        self._parts.append((embeddings, labels))
        if closing:
            whole = [torch.cat(found) for found in zip(*self._parts, strict=True)]
            self._parts.clear()
            self.loss.observe(*whole)
