"""CurricularFace: easy samples first, hard negatives later."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from arcface_plus.models.heads.arcface import add_angular_margin
from arcface_plus.models.heads.checks import check_margin, check_scale
from arcface_plus.models.heads.head import Classes, Head, Samples
from arcface_plus.models.heads.running import RunningStatistics


class CurricularFace(Head):
    """ArcFace, but a class with cos θ_j above the labelled cos(θ + margin) gets scale · cos θ_j ·
    (t + cos θ_j).

    Huang et al., "CurricularFace", 2020, equations 5 to 8. t: moving average of the batches' mean
    labelled cosine, from 0, so that hard negatives gain weight as training proceeds.
    """

    observes = True

    def __init__(
        self,
        scale: Annotated[float, "factor of all logits"] = 64.0,
        margin: Annotated[float, "radians"] = 0.5,
        momentum: Annotated[float, "share of the earlier batches in t"] = 0.99,
    ) -> None:
        super().__init__()
        check_scale(scale)
        self.scale, self.margin = float(scale), check_margin(margin)
        self.running = RunningStatistics((0.0,), momentum, _mean)

    def observe(self, samples: Samples, closing: bool) -> None:
        self.running.update(samples.cosine, closing)

    def labelled(self, samples: Samples) -> Tensor:
        return self.scale * add_angular_margin(samples.cosine, self.margin)

    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        limit = add_angular_margin(samples.cosine.detach(), self.margin)
        hard = cosine.detach() > limit.unsqueeze(1)
        return self.scale * cosine * torch.where(hard, self.running.value + cosine, 1.0)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, margin={self.margin}"


def _mean(cosine: Tensor) -> Tensor:
    return cosine.mean(dim=0, keepdim=True)
