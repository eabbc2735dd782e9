"""The energy of one pair of directions and its derivative.

For a power s: x^−s, or −log x for s = 0, of the distance x between two unit rows: r = |u − v|
("Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, equation 1) or their angle in
radians (equation 5). In half space a direction and its opposite are the same (section 3.4): the
energy is that of (u, v) plus that of (u, −v).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEAREST = 1e-3  # distance below which the energy is continued by its tangent


@dataclass(frozen=True)
class PairEnergy:
    power: float = 2.0
    angular: bool = False
    half_space: bool = False

    def of_cosines(
        self, cosine: Tensor, scales: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The energy of pairs with these cosines, and its derivative by the cosine.

        Not accurate near ±1, where the caller uses ``of_distance``. ``scales``: β of the pairs'
        rows, of shapes that broadcast to that of ``cosine``; see ``of_scaled``.
        """
        value, slope = self._of_cosines(cosine, scales)
        if self.half_space:
            opposite, falling = self._of_cosines(-cosine, scales)
            value.add_(opposite)
            slope.sub_(falling)
        return value, slope

    def _of_cosines(
        self, cosine: Tensor, scales: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        if self.angular:
            angle = torch.acos(cosine)
            sine = torch.addcmul(cosine.new_ones(()), cosine, cosine, value=-1).sqrt_()
            value = self._of(angle)
            return value, self._steepness(value).div_(sine.mul_(angle))
        square = torch.add(cosine.new_full((), 2.0), cosine, alpha=-2.0)
        if scales is not None:
            square = square.mul_(scales[0] * scales[1]).add_((scales[0] - scales[1]).square())
        value = self._of_square(square)
        slope = self._steepness(value).div_(square)
        return value, slope if scales is None else slope.mul_(scales[0] * scales[1])

    def _of_square(self, square: Tensor) -> Tensor:
        if self.power == 0.0:
            return square.log().mul_(-0.5)
        if self.power == 2.0:
            return square.reciprocal()
        return square.rsqrt() if self.power == 1.0 else square.pow(-self.power / 2.0)

    def _of(self, distance: Tensor) -> Tensor:
        return distance.pow(-self.power) if self.power > 0.0 else -distance.log()

    def _steepness(self, value: Tensor) -> Tensor:
        """−x·(derivative by x) of the energy ``value`` at x: s·x^−s, or 1 for s = 0."""
        return value * self.power if self.power > 0.0 else torch.ones_like(value)

    def of_distance(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        """The energy at these distances (r, or angles) and its derivative by the distance.

        Below ``NEAREST`` both are finite: the energy is continued by its tangent.
        """
        bounded = distance.clamp(min=NEAREST)
        value = self._of(bounded)
        slope = -self._steepness(value) / bounded
        return value + slope * (distance - bounded), slope
