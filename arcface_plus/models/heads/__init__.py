"""Heads by name: ``head(cosine (n, C), labels (n,)) -> logits (n, C)``, at least float32.

A new head is one new file and one line in ``HEADS``; a ``MarginHead`` needs the least memory.
"""

from collections.abc import Callable

from arcface_plus.models.heads.adaface import AdaFace
from arcface_plus.models.heads.arcface import ArcFace
from arcface_plus.models.heads.combined_margin import CombinedMargin
from arcface_plus.models.heads.cosface import CosFace
from arcface_plus.models.heads.curricularface import CurricularFace
from arcface_plus.models.heads.head import Classes, Head, Samples
from arcface_plus.models.heads.linear_softmax import LinearSoftmax
from arcface_plus.models.heads.magface import MagFace
from arcface_plus.models.heads.margin_head import MarginHead
from arcface_plus.models.heads.softmax import NormalizedSoftmax
from arcface_plus.models.heads.sphereface import LSoftmax, SphereFace
from arcface_plus.models.heads.sphereface2 import SphereFace2
from arcface_plus.models.heads.subcenter_arcface import SubCenterArcFace

HEADS: dict[str, Callable[..., Head]] = {
    "arcface": ArcFace,
    "softmax": NormalizedSoftmax,
    "linear_softmax": LinearSoftmax,
    "cosface": CosFace,
    "combined_margin": CombinedMargin,
    "sphereface": SphereFace,
    "lsoftmax": LSoftmax,
    "sphereface2": SphereFace2,
    "adaface": AdaFace,
    "magface": MagFace,
    "curricularface": CurricularFace,
    "subcenter_arcface": SubCenterArcFace,
}

__all__ = [
    "HEADS",
    "AdaFace",
    "ArcFace",
    "Classes",
    "CombinedMargin",
    "CosFace",
    "CurricularFace",
    "Head",
    "LSoftmax",
    "LinearSoftmax",
    "MagFace",
    "MarginHead",
    "NormalizedSoftmax",
    "Samples",
    "SphereFace",
    "SphereFace2",
    "SubCenterArcFace",
]
