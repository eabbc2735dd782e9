"""InsightFace's combined margin: a factor, an angle and a cosine."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from arcface_plus.models.heads.arcface import add_angular_margin
from arcface_plus.models.heads.checks import check_not_negative
from arcface_plus.models.heads.head import Samples
from arcface_plus.models.heads.margin_head import MarginHead


class CombinedMargin(MarginHead):
    """scale · (cos(m1·θ + m2) − m3) for the labelled class, scale · cos θ for the others.

    Deng et al., "ArcFace", 2019, equation 4; the defaults are CM1 of its table 2. (1, 0.5, 0) is
    ArcFace, (1, 0, 0.35) CosFace. Beyond m1·θ + m2 = π the cosine would rise again; there it is
    continued as ArcFace does for m1 = 1, else as SphereFace does: (−1)^k cos(φ) − 2k, k = ⌊φ/π⌋.
    """

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        m1: Annotated[float, "factor of the angle"] = 1.0,
        m2: Annotated[float, "added to the angle, radians"] = 0.3,
        m3: Annotated[float, "subtracted from the cosine"] = 0.2,
    ) -> None:
        super().__init__(scale)
        if not 0.0 < m1 < math.inf:
            raise ValueError(f"m1 must be positive and finite, not {m1}")
        if not 0.0 <= m2 < math.pi:
            raise ValueError(f"m2 must be at least 0 and below pi (radians), not {m2}")
        self.m1, self.m2, self.m3 = float(m1), float(m2), check_not_negative("m3", m3)

    def with_margin(self, samples: Samples) -> Tensor:
        if self.m1 == 1.0:  # needs no angle
            return add_angular_margin(samples.cosine, self.m2) - self.m3
        angle = self.m1 * _angle(samples.cosine) + self.m2
        k = (angle.detach() / math.pi).floor()
        return (1.0 - 2.0 * (k % 2.0)) * angle.cos() - 2.0 * k - self.m3

    def extra_repr(self) -> str:
        return f"scale={self.scale}, m1={self.m1}, m2={self.m2}, m3={self.m3}"


def _angle(cosine: Tensor) -> Tensor:
    """θ in [0, π]; at the ends, where its slope is infinite, with gradient 0."""
    sine_squared = (1.0 - cosine) * (1.0 + cosine)
    inside = sine_squared > 0.0
    sine = torch.where(inside, sine_squared, 1.0).sqrt()
    ends = torch.where(cosine > 0.0, 0.0, math.pi)
    return torch.where(inside, torch.atan2(sine, torch.where(inside, cosine, 0.0)), ends)
