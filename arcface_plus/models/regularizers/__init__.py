"""Regularizers by name: ``regularizer(weight (C, d)) -> scalar``, at least float32.

A new regularizer is one new file and one line in ``REGULARIZERS``.
"""

from collections.abc import Callable

from arcface_plus.models.nearest.neighbours import nearest_angles
from arcface_plus.models.nearest.results import NearestAngles
from arcface_plus.models.nearest.watch import Watch
from arcface_plus.models.regularizers.koleo import KoLeo
from arcface_plus.models.regularizers.maximal_cosine import MaximalCosine
from arcface_plus.models.regularizers.mhe import MHE
from arcface_plus.models.regularizers.mma import MMA
from arcface_plus.models.regularizers.neighbour_loss import NeighbourLoss
from arcface_plus.models.regularizers.none import NoRegularizer
from arcface_plus.models.regularizers.orthogonal import Orthogonal
from arcface_plus.models.regularizers.orthonormal import Orthonormal
from arcface_plus.models.regularizers.regularizer import Moment, Regularizer

REGULARIZERS: dict[str, Callable[..., Regularizer]] = {
    "none": NoRegularizer,
    "mma": MMA,
    "koleo": KoLeo,
    "cosine": MaximalCosine,
    "mhe": MHE,
    "orthogonal": Orthogonal,
    "orthonormal": Orthonormal,
}

__all__ = [
    "MHE",
    "MMA",
    "REGULARIZERS",
    "KoLeo",
    "MaximalCosine",
    "Moment",
    "NearestAngles",
    "NeighbourLoss",
    "NoRegularizer",
    "Orthogonal",
    "Orthonormal",
    "Regularizer",
    "Watch",
    "nearest_angles",
]
