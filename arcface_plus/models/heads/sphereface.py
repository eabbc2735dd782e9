"""SphereFace (A-Softmax) and L-Softmax: a factor on the labelled angle, annealed."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from arcface_plus.models.heads.checks import check_not_negative
from arcface_plus.models.heads.head import Classes, Head, Samples


class SphereFace(Head):
    """|x| · (λ cos θ + ψ(θ)) / (1 + λ) for the labelled class, |x| · cos θ for the others.

    Liu et al., "SphereFace", 2017, equation 7: ψ(θ) = (−1)^k cos(mθ) − 2k on [kπ/m, (k+1)π/m].
    Embeddings are not normalized. λ falls from 1000 at the first step to 5, as in the authors'
    training: λ = max(lambda_min, lambda_start / (1 + lambda_decay · step)). Both 0: no annealing.
    """

    uses_norms = True

    def __init__(
        self,
        margin: Annotated[int, "factor of the angle: 1, 2, 3 or 4"] = 4,
        lambda_start: Annotated[float, "λ at the first step"] = 1000.0,
        lambda_decay: Annotated[float, "how fast λ falls, per step"] = 0.12,
        lambda_min: Annotated[float, "where λ stops falling"] = 5.0,
    ) -> None:
        super().__init__()
        if margin not in (1, 2, 3, 4):
            raise ValueError(f"margin must be 1, 2, 3 or 4, not {margin}")
        self.margin = margin
        self.lambda_start = check_not_negative("lambda_start", lambda_start)
        self.lambda_decay = check_not_negative("lambda_decay", lambda_decay)
        self.lambda_min = check_not_negative("lambda_min", lambda_min)

    def annealing(self, step: int) -> float:
        """λ at a step, counted from 0."""
        return max(self.lambda_min, self.lambda_start / (1.0 + self.lambda_decay * step))

    def labelled(self, samples: Samples) -> Tensor:
        weight = self.annealing(samples.step)
        mixed = (weight * samples.cosine + psi(samples.cosine, self.margin)) / (1.0 + weight)
        return samples.norm * samples.own.norm * mixed

    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        lengths = samples.norm.unsqueeze(1)
        return cosine * (lengths * classes.norm if self.uses_class_norms else lengths)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, λ={self.lambda_start}…{self.lambda_min}"


class LSoftmax(SphereFace):
    """SphereFace's formula with |w|·|x| instead of |x|: class weights are not normalized, either.

    Liu et al., "Large-Margin Softmax Loss", 2016, equations 5 and 6, with SphereFace's annealing.
    """

    uses_class_norms = True


def psi(cosine: Tensor, margin: int) -> Tensor:
    """(−1)^k cos(mθ) − 2k on [kπ/m, (k+1)π/m], from cos θ: falls from 1 to 1 − 2m, smoothly.

    As polynomials, since the slope of arccos is infinite at ±1.
    """
    c, sign = cosine, cosine.sign()
    if margin == 1:
        return c
    if margin == 2:
        return 2.0 * sign * c.square() - 1.0
    if margin == 3:
        a = (c.abs() - 0.5).sign()
        return a * (4.0 * c**3 - 3.0 * c) + sign * (1.0 + a) - 2.0
    square = c.square()
    b = sign * (2.0 * square - 1.0).sign()
    return b * (8.0 * square.square() - 8.0 * square + 1.0) + 2.0 * sign + b - 3.0
