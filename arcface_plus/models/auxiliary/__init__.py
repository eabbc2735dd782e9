"""Auxiliary losses by name: ``loss(embeddings (n, d), labels (n,)) -> scalar``.

A new one is one new file and one line in ``AUXILIARY``.
"""

from collections.abc import Callable

from arcface_plus.models.auxiliary.auxiliary import Auxiliary
from arcface_plus.models.auxiliary.centre_loss import CentreLoss
from arcface_plus.models.auxiliary.metric_learning import LOSSES, MetricLearningLoss, named
from arcface_plus.models.auxiliary.none import NoAuxiliary

AUXILIARY: dict[str, Callable[..., Auxiliary]] = {
    "none": NoAuxiliary,
    "centre": CentreLoss,
    **{loss: named(loss) for loss in LOSSES},
}

__all__ = ["AUXILIARY", "Auxiliary", "CentreLoss", "MetricLearningLoss", "NoAuxiliary"]
