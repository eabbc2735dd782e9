"""The form of nearly all margin heads: one scale, and a margin on the labelled class."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from arcface_plus.models.heads.checks import check_cosine_and_labels, check_scale
from arcface_plus.models.precision import at_least_float32, without_autocast


class MarginHead(nn.Module, ABC):
    """logits = scale · cosine, but scale · ``with_margin(cosine)`` for the labelled class.

    A subclass implements ``with_margin``, and its loss is then computed in one (n, C) buffer
    (``margin_cross_entropy``). A head that needs more than the labelled cosine, or that learns
    parameters, is a plain ``nn.Module`` or overrides ``forward``: both work, but autograd then
    keeps several (n, C) tensors.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = float(scale)

    @abstractmethod
    def with_margin(self, cosine: Tensor) -> Tensor:
        """Labelled cosines, any shape, at least float32 → cosines with margin, element by element.

        Differentiable with the gradient that the backward pass should use; no learned parameters.
        """

    def forward(self, cosine: Tensor, labels: Tensor) -> Tensor:
        """Cosines (n, C) and labels (n,) int64 → logits (n, C), at least float32."""
        check_cosine_and_labels(cosine, labels)
        with without_autocast(cosine):
            cosine = at_least_float32(cosine)
            index = labels.unsqueeze(1)
            labelled = self.with_margin(cosine.gather(1, index))
            # Only the labelled entries change, in place: no second (n, C) copy.
            return (cosine * self.scale).scatter_(1, index, labelled * self.scale)
