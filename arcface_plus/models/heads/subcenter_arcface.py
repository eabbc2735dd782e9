"""Sub-center ArcFace: several weight rows per class, so that noisy images get rows of their own."""

from __future__ import annotations

from typing import Annotated

from arcface_plus.models.heads.arcface import ArcFace, MarginGradient


class SubCenterArcFace(ArcFace):
    """ArcFace with the cosine of the nearest of a class's sub-centres.

    Deng et al., "Sub-center ArcFace", 2020, equation 2. Class weights are (classes, sub_centres,
    d); regularizers and angles see the mean of each class's unit rows. At 1 it is ArcFace.
    """

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        margin: Annotated[float, "radians"] = 0.5,
        margin_gradient: Annotated[
            MarginGradient, "exact derivative, or that of arcface_torch (margin as a constant)"
        ] = "exact",
        sub_centres: Annotated[int, "weight rows per class"] = 3,
    ) -> None:
        super().__init__(scale, margin, margin_gradient)
        if sub_centres < 1:
            raise ValueError(f"sub_centres must be at least 1, not {sub_centres}")
        self.sub_centres = sub_centres

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sub_centres={self.sub_centres}"
