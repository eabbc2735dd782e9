"""MagFace: the margin grows with the norm of the embedding, and a term asks for large norms."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from arcface_plus.models.heads.arcface import add_angular_margin
from arcface_plus.models.heads.checks import check_not_negative
from arcface_plus.models.heads.head import Samples
from arcface_plus.models.heads.margin_head import MarginHead


class MagFace(MarginHead):
    """scale · cos(θ + m(a)) for the labelled class, and λ_g · g(a) added to the sample's loss.

    Meng et al., "MagFace", 2021, equation 3 and section 3.2: a is the embedding's norm, clipped to
    [lower_norm, upper_norm], where m rises linearly from lower_margin to upper_margin;
    g(a) = 1/a + a/upper_norm². The gradient reaches the norm through both. Beyond θ + m(a) = π as
    ArcFace. Defaults as in the authors' scripts.
    """

    uses_norms = True

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        lower_norm: Annotated[float, "l_a: norms are clipped to it"] = 10.0,
        upper_norm: Annotated[float, "u_a: norms are clipped to it"] = 110.0,
        lower_margin: Annotated[float, "l_m: radians, at lower_norm"] = 0.45,
        upper_margin: Annotated[float, "u_m: radians, at upper_norm"] = 0.8,
        norm_weight: Annotated[float, "λ_g: factor of the term in the norm"] = 35.0,
    ) -> None:
        super().__init__(scale)
        if not 0.0 < lower_norm < upper_norm < float("inf"):
            raise ValueError(
                "lower_norm must be positive and below upper_norm, not "
                f"{lower_norm} and {upper_norm}"
            )
        if not 0.0 <= lower_margin <= upper_margin < 3.14:
            raise ValueError(
                "margins must be from 0 to 3.14 (radians), the lower one first, not "
                f"{lower_margin} and {upper_margin}"
            )
        self.lower_norm, self.upper_norm = float(lower_norm), float(upper_norm)
        self.lower_margin, self.upper_margin = float(lower_margin), float(upper_margin)
        self.norm_weight = check_not_negative("norm_weight", norm_weight)

    def with_margin(self, samples: Samples) -> Tensor:
        rise = (self.upper_margin - self.lower_margin) / (self.upper_norm - self.lower_norm)
        margin = self.lower_margin + rise * (self._clipped(samples.norm) - self.lower_norm)
        return add_angular_margin(samples.cosine, margin)

    def penalty(self, samples: Samples) -> Tensor:
        norm = self._clipped(samples.norm)
        return self.norm_weight * (1.0 / norm + norm / self.upper_norm**2)

    def _clipped(self, norm: Tensor) -> Tensor:
        return norm.clamp(self.lower_norm, self.upper_norm)

    def extra_repr(self) -> str:
        return (
            f"scale={self.scale}, margin={self.lower_margin}…{self.upper_margin} for norms "
            f"{self.lower_norm}…{self.upper_norm}, norm_weight={self.norm_weight}"
        )
