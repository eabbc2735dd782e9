"""The form of most heads: one scale, and a margin on the labelled class."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeGuard, final

from torch import Tensor

from arcface_plus.models.heads.checks import check_scale
from arcface_plus.models.heads.head import Classes, Head, Samples


class MarginHead(Head):
    """logits = scale · cosine, but scale · ``with_margin(samples)`` for the labelled class.

    A subclass implements ``with_margin``, and its loss is then computed in one (n, C) buffer
    (``margin_cross_entropy``). With any other head autograd keeps several (n, C) tensors.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = float(scale)

    @abstractmethod
    def with_margin(self, samples: Samples) -> Tensor:
        """Labelled cosines with margin (n,), sample by sample, from ``samples.cosine``.

        Differentiable by cosine and norm, with the gradient that the backward pass should use; no
        learned parameters.
        """

    @final
    def labelled(self, samples: Samples) -> Tensor:
        return self.with_margin(samples) * self.scale

    @final
    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        return cosine * self.scale


def fits_one_buffer(head: Head) -> TypeGuard[MarginHead]:
    """Whether ``margin_cross_entropy`` computes this head's loss."""
    plain = ("uses_class_norms", "uses_bias")
    own = ("labelled", "others", "pool", "merge", "loss")
    return (
        isinstance(head, MarginHead)
        and head.sub_centres == 1
        and not any(getattr(head, name) for name in plain)
        and all(getattr(type(head), name) is getattr(MarginHead, name) for name in own)
    )
