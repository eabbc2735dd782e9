"""CosFace, also known as AM-Softmax: a margin on the labelled cosine."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from arcface_plus.models.heads.checks import check_not_negative
from arcface_plus.models.heads.head import Samples
from arcface_plus.models.heads.margin_head import MarginHead


class CosFace(MarginHead):
    """scale · (cos θ − margin) for the labelled class, scale · cos θ for the others.

    Wang, H. et al., "CosFace", 2018, equation 4. Wang, F. et al., "Additive Margin Softmax", 2018,
    is the same with scale 30.
    """

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        margin: Annotated[float, "subtracted from the labelled cosine"] = 0.35,
    ) -> None:
        super().__init__(scale)
        self.margin = check_not_negative("margin", margin)

    def with_margin(self, samples: Samples) -> Tensor:
        return samples.cosine - self.margin

    def extra_repr(self) -> str:
        return f"scale={self.scale}, margin={self.margin}"
