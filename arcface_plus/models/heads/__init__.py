"""Margin heads by name: ``head(cosine (n, C), labels (n,)) -> logits (n, C)``, at least float32.

A new head is one new file and one line in ``HEADS``; a ``MarginHead`` needs the least memory.
"""

from collections.abc import Callable

from torch import nn

from arcface_plus.models.heads.arcface import ArcFace
from arcface_plus.models.heads.margin_head import MarginHead
from arcface_plus.models.heads.softmax import NormalizedSoftmax

HEADS: dict[str, Callable[..., nn.Module]] = {
    "arcface": ArcFace,
    "softmax": NormalizedSoftmax,
}

__all__ = ["HEADS", "ArcFace", "MarginHead", "NormalizedSoftmax"]
