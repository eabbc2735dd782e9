"""Normalized softmax: the baseline without a margin."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from arcface_plus.models.heads.head import Samples
from arcface_plus.models.heads.margin_head import MarginHead


class NormalizedSoftmax(MarginHead):
    """logits = scale · cosine (Wang et al., "NormFace", 2017); no margin."""

    def __init__(self, scale: Annotated[float, "factor of all logits"] = 64.0) -> None:
        super().__init__(scale)

    def with_margin(self, samples: Samples) -> Tensor:
        return samples.cosine

    def extra_repr(self) -> str:
        return f"scale={self.scale}"
