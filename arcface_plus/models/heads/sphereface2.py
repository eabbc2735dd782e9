"""SphereFace2: one binary classification per class instead of a softmax over all."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.heads.checks import check_not_negative, check_scale
from arcface_plus.models.heads.head import Classes, Head, Samples


class SphereFace2(Head):
    """λ/r · log(1 + exp(−r(g(cos θ) − m) − b)), plus for each other class (1 − λ)/r ·
    log(1 + exp(r(g(cos θ_j) + m) + b)).

    Wen et al., "SphereFace2", 2022, its loss with the additive margin (SphereFace2-C):
    g(z) = 2((z + 1)/2)^t − 1, b a learned number. b starts where the loss is smallest for
    embeddings at right angles to all class weights. ``loss_weight`` multiplies the loss: the
    authors' code has 50, which the learning rate must fit. r = 40 is from there, too.
    """

    def __init__(
        self,
        scale: Annotated[float, "r: factor of the logits"] = 40.0,
        margin: Annotated[float, "m: subtracted for the labelled class, added for others"] = 0.4,
        balance: Annotated[float, "λ: weight of the labelled class, between 0 and 1"] = 0.7,
        power: Annotated[float, "t: at least 1; how much g flattens large angles"] = 3.0,
        loss_weight: Annotated[float, "factor of the loss"] = 1.0,
    ) -> None:
        super().__init__()
        check_scale(scale)
        if not 0.0 < balance < 1.0:
            raise ValueError(f"balance must be between 0 and 1, not {balance}")
        if not 1.0 <= power < math.inf:
            raise ValueError(f"power must be finite and at least 1, not {power}")
        self.scale, self.balance, self.power = float(scale), float(balance), float(power)
        self.margin = check_not_negative("margin", margin)
        self.loss_weight = check_not_negative("loss_weight", loss_weight)
        self.offset = nn.Parameter(torch.zeros(()))

    def prepare(self, classes: int) -> None:
        with torch.no_grad():
            self.offset.fill_(self._best_offset(classes))

    def labelled(self, samples: Samples) -> Tensor:
        return self.scale * (self._g(samples.cosine) - self.margin) + self.offset

    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        return self.scale * (self._g(cosine) + self.margin) + self.offset

    def pool(self, others: Tensor) -> Tensor:
        return F.softplus(others, threshold=40.0).sum(dim=1)

    def merge(self, pools: Tensor) -> Tensor:
        return pools.sum(dim=1)

    def loss(self, labelled: Tensor, pooled: Tensor) -> Tensor:
        own = F.softplus(-labelled, threshold=40.0)
        both = self.balance * own + (1.0 - self.balance) * pooled
        return self.loss_weight / self.scale * both

    def _g(self, cosine: Tensor) -> Tensor:
        # Rounding can take a cosine below −1, where the power is not defined.
        return 2.0 * ((cosine + 1.0) / 2.0).clamp(min=0.0) ** self.power - 1.0

    def _best_offset(self, classes: int) -> float:
        """Where λ·softplus(−y − b) + (1 − λ)(classes − 1)·softplus(o + b) is smallest, for the
        logits y and o, without b, of a cosine of 0: the root of a quadratic equation in exp b."""
        right_angle = 2.0 * 0.5**self.power - 1.0
        y, o = (self.scale * (right_angle + sign * self.margin) for sign in (-1.0, 1.0))
        z = self.balance / ((1.0 - self.balance) * (classes - 1))
        root = math.sqrt((1.0 - z) ** 2 + 4.0 * z * math.exp(y - o))
        if z > 1.0:  # the other form of the root would cancel
            return math.log((z - 1.0 + root) / 2.0) - y
        return math.log(2.0 * z) - o - math.log(1.0 - z + root)

    def extra_repr(self) -> str:
        return (
            f"scale={self.scale}, margin={self.margin}, balance={self.balance}, "
            f"power={self.power}, loss_weight={self.loss_weight}"
        )
