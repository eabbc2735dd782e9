"""Losses and miners of pytorch-metric-learning, by the names of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from arcface_plus.models.auxiliary.auxiliary import Auxiliary

LOSSES = (
    "AngularLoss", "CircleLoss", "ContrastiveLoss", "FastAPLoss", "GeneralizedLiftedStructureLoss",
    "HistogramLoss", "IntraPairVarianceLoss", "LiftedStructureLoss", "MarginLoss",
    "MultiSimilarityLoss", "NCALoss", "NPairsLoss", "NTXentLoss", "PNPLoss", "RankedListLoss",
    "SignalToNoiseRatioContrastiveLoss", "SupConLoss", "ThresholdConsistentMarginLoss",
    "TripletMarginLoss", "TupletMarginLoss",
)  # fmt: skip
"""Its losses of embeddings and labels alone. Those with class weights are heads here."""

MINERS = (
    "AngularMiner", "BatchEasyHardMiner", "BatchHardMiner", "DistanceWeightedMiner", "HDCMiner",
    "MultiSimilarityMiner", "PairMarginMiner", "TripletMarginMiner", "UniformHistogramMiner",
)  # fmt: skip

Value = bool | int | float | str
_PACKAGE = "pytorch_metric_learning"
_INSTALL = "pip install arcface-plus[metric-learning]"


class MetricLearningLoss(Auxiliary):
    """A loss of pytorch-metric-learning, with a miner that chooses pairs or triplets if given.

    ``parameters`` and ``miner_parameters`` go to their constructors. ValueError (one line) without
    the package, for unknown parameters, or for a loss that would have learned weights.
    """

    def __init__(
        self,
        loss: str,
        miner: str | None = None,
        miner_parameters: Mapping[str, Value] | None = None,
        **parameters: Value,
    ) -> None:
        super().__init__()
        self.loss = _made("losses", loss, parameters)
        if list(self.loss.parameters()):
            raise ValueError(f"{loss}: learned weights are not supported in an auxiliary loss")
        if miner is None and miner_parameters:
            raise ValueError("miner_parameters without a miner")
        self.miner = None if miner is None else _miner(miner, miner_parameters or {})

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        chosen = None if self.miner is None else self.miner(embeddings, labels)
        value: Tensor = self.loss(embeddings, labels, chosen)
        return value


def _miner(name: str, parameters: Mapping[str, Value]) -> nn.Module:
    if name not in MINERS:
        raise ValueError(f"unknown miner {name} (known: {', '.join(MINERS)})")
    return _made("miners", name, parameters)


def _made(module: str, name: str, parameters: Mapping[str, Value]) -> nn.Module:
    try:
        classes: Any = import_module(f"{_PACKAGE}.{module}")
    except ImportError:
        raise ValueError(f"{name} needs pytorch-metric-learning: `{_INSTALL}`") from None
    try:
        made: nn.Module = getattr(classes, name)(**parameters)
    except (TypeError, ValueError, AssertionError) as error:
        reason = str(error).partition("__init__() ")[2] or str(error)
        raise ValueError(f"{name}: {reason}") from None
    return made
