"""ArcFace: an additive angular margin on the logit of the labelled class."""

from __future__ import annotations

import math
from typing import Annotated, Literal, get_args

import torch
from torch import Tensor

from arcface_plus.models.heads.checks import check_margin
from arcface_plus.models.heads.head import Samples
from arcface_plus.models.heads.margin_head import MarginHead

MarginGradient = Literal["exact", "straight_through"]


class ArcFace(MarginHead):
    """scale · cos(θ + margin) for the labelled class, scale · cos θ for the others.

    Deng et al., "ArcFace", 2019, equation 3. Beyond θ + margin > π, where the cosine would rise
    again, the labelled class gets scale · (cos θ − margin · sin margin), which keeps falling.

    ``margin`` is in radians. ``margin_gradient`` selects what the backward pass uses: "exact" the
    derivative of the formula; "straight_through" that of scale · cos θ, with the margin as a
    constant offset, as arcface_torch does. The forward pass is the same.
    """

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        margin: Annotated[float, "radians"] = 0.5,
        margin_gradient: Annotated[
            MarginGradient, "exact derivative, or that of arcface_torch (margin as a constant)"
        ] = "exact",
    ) -> None:
        super().__init__(scale)
        if margin_gradient not in get_args(MarginGradient):
            raise ValueError(
                f"margin_gradient must be exact or straight_through, not '{margin_gradient}'"
            )
        self.margin = check_margin(margin)
        self.margin_gradient = margin_gradient

    def with_margin(self, samples: Samples) -> Tensor:
        cosine = samples.cosine
        shifted = add_angular_margin(cosine, self.margin)
        if self.margin_gradient == "straight_through":
            return shifted.detach() + (cosine - cosine.detach())
        return shifted

    def extra_repr(self) -> str:
        return f"scale={self.scale}, margin={self.margin}, margin_gradient={self.margin_gradient}"


def add_angular_margin(cosine: Tensor, margin: float | Tensor) -> Tensor:
    """cos(θ + margin) from cos θ while θ + margin ≤ π, then cos θ − margin · sin margin.

    ``margin`` in [0, π), one for all or of the shape of ``cosine``.

    Written as cos θ · cos m − sin θ · sin m: no arccos, whose fp32 error and infinite slope at
    the ends would enter the gradient. At cos θ = ±1 the slope of sin θ is infinite too; there (and
    where rounding puts the cosine beyond ±1) sin θ is 0 with gradient 0, so the total gradient is
    cos m at one end and, by the fallback, 1 at the other.
    """
    sine_squared = (1.0 - cosine) * (1.0 + cosine)
    inside = sine_squared > 0.0
    sine = torch.where(inside, torch.where(inside, sine_squared, 1.0).sqrt(), 0.0)
    if isinstance(margin, Tensor):
        cos_m, sin_m = margin.cos(), margin.sin()
        return torch.where(cosine >= -cos_m, cosine * cos_m - sine * sin_m, cosine - margin * sin_m)
    shifted = cosine * math.cos(margin) - sine * math.sin(margin)
    fallback = cosine - margin * math.sin(margin)
    return torch.where(cosine >= -math.cos(margin), shifted, fallback)
