"""AdaFace: a margin that depends on the norm of the embedding, which tells image quality."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from arcface_plus.models.heads.checks import check_not_negative
from arcface_plus.models.heads.head import Samples
from arcface_plus.models.heads.margin_head import MarginHead
from arcface_plus.models.heads.running import RunningStatistics

_NORMS = (1e-3, 100.0)  # norms are clipped to this range, as in the authors' code
_STD_FLOOR = 1e-3  # added to σ, as there


class AdaFace(MarginHead):
    """scale · (cos(θ + g_angle) − g_add) for the labelled class, scale · cos θ for the others.

    Kim et al., "AdaFace", 2022, section 3.3: g_angle = −margin·q, g_add = margin·q + margin, with
    the quality q = (|x| − μ) / (σ / h) clipped to [−1, 1]; a constant in the backward pass. μ and
    σ: moving averages of mean and standard deviation of the batches' norms, from 20 and 100 as in
    the authors' code. θ + g_angle is clipped to [0, π].
    """

    uses_norms = observes = True

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        margin: Annotated[float, "radians, and subtracted from the cosine"] = 0.4,
        h: Annotated[float, "how much the quality varies: its standard deviation"] = 0.333,
        momentum: Annotated[float, "share of the earlier batches in the statistics"] = 0.99,
    ) -> None:
        super().__init__(scale)
        self.margin = check_not_negative("margin", margin)
        self.h = check_not_negative("h", h)
        self.running = RunningStatistics((20.0, 100.0), momentum, _mean_and_deviation)

    def observe(self, samples: Samples, closing: bool) -> None:
        self.running.update(samples.norm.clamp(*_NORMS), closing)

    def with_margin(self, samples: Samples) -> Tensor:
        norm = samples.norm.detach().clamp(*_NORMS)
        mean, deviation = self.running.value.to(norm.dtype)
        quality = ((norm - mean) / (deviation + _STD_FLOOR) * self.h).clamp(-1.0, 1.0)
        return _rotated(samples.cosine, -self.margin * quality) - self.margin * (1.0 + quality)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, margin={self.margin}, h={self.h}"


def _mean_and_deviation(norms: Tensor) -> Tensor:
    """(2,); the deviation is that of torch.std, and 0 for a single norm."""
    return torch.stack([norms.mean(), norms.std(correction=min(1, len(norms) - 1))])


def _rotated(cosine: Tensor, angle: Tensor) -> Tensor:
    """cos(θ + angle), with θ + angle clipped to [0, π], for angles in [−π, π]."""
    sine_squared = (1.0 - cosine) * (1.0 + cosine)
    inside = sine_squared > 0.0
    sine = torch.where(inside, torch.where(inside, sine_squared, 1.0).sqrt(), 0.0)
    rotated = cosine * angle.cos() - sine * angle.sin()
    rotated = torch.where((angle < 0.0) & (cosine > angle.cos()), 1.0, rotated)
    return torch.where((angle > 0.0) & (cosine < -angle.cos()), -1.0, rotated)
