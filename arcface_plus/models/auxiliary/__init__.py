"""Auxiliary losses by name: ``loss(embeddings (n, d), labels (n,)) -> scalar``.

A new one is one new file and one line in ``AUXILIARY``.
"""

from collections.abc import Callable
from functools import partial

from arcface_plus.models.auxiliary.auxiliary import Auxiliary
from arcface_plus.models.auxiliary.centre_loss import CentreLoss
from arcface_plus.models.auxiliary.metric_learning import LOSSES, MetricLearningLoss
from arcface_plus.models.auxiliary.none import NoAuxiliary
from arcface_plus.models.auxiliary.term import AuxiliaryTerm

AUXILIARY: dict[str, Callable[..., Auxiliary]] = {
    "none": NoAuxiliary,
    "centre": CentreLoss,
    **{loss: partial(MetricLearningLoss, loss) for loss in LOSSES},
}

__all__ = [
    "AUXILIARY",
    "Auxiliary",
    "AuxiliaryTerm",
    "CentreLoss",
    "MetricLearningLoss",
    "NoAuxiliary",
]
