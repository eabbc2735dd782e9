"""Heads by name: ``head(cosine (n, C), labels (n,)) -> logits (n, C)``, at least float32.

A new head is one new file and one line in ``HEADS``; a ``MarginHead`` needs the least memory.
"""

from collections.abc import Callable

from arcface_plus.models.heads.arcface import ArcFace
from arcface_plus.models.heads.head import Classes, Head, Samples
from arcface_plus.models.heads.margin_head import MarginHead
from arcface_plus.models.heads.softmax import NormalizedSoftmax

HEADS: dict[str, Callable[..., Head]] = {
    "arcface": ArcFace,
    "softmax": NormalizedSoftmax,
}

__all__ = [
    "HEADS",
    "ArcFace",
    "Classes",
    "Head",
    "MarginHead",
    "NormalizedSoftmax",
    "Samples",
]
