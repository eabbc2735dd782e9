"""What a search for nearest rows finds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arcface_plus.models.nearest.exchange import gathered
from arcface_plus.models.shards import Shards


class Neighbours(NamedTuple):
    """``row`` (n,) int64: the nearest other row, the lowest one where several are equally near.

    ``counted`` (n,) bool: false for zero rows, which have no direction (and for all rows, if fewer
    than two are nonzero). Such a row is never a neighbour, and its own ``row`` is itself.
    """

    row: Tensor
    counted: Tensor


class NearestAngles(NamedTuple):
    """Angle of every row to its nearest other row: radians (n,), detached; see ``Neighbours``."""

    angle: Tensor
    row: Tensor
    counted: Tensor

    def mean(self) -> Tensor:
        """Mean over the counted rows, radians; 0 if there are none."""
        return torch.where(self.counted, self.angle, 0.0).sum() / self.counted.sum().clamp(min=1)

    def smallest(self) -> Tensor:
        """Smallest over the counted rows, radians; pi if there are none."""
        return torch.where(self.counted, self.angle, torch.pi).min()

    def quantile(self, q: float) -> Tensor:
        """The angle below which a share ``q`` of the counted rows lies, radians; NaN if none."""
        angle = torch.where(self.counted, self.angle, torch.inf).sort().values
        last = (self.counted.sum() - 1).clamp(min=0)
        found = angle.take((q * last).round().long())
        return torch.where(self.counted.any(), found, torch.nan)

    def gathered(self, shards: Shards) -> NearestAngles:
        """Of all rows, if these are the angles of this process's rows. All processes must call it.

        21 bytes a row on every process, at most: small next to the weights.
        """
        return NearestAngles(*(gathered(values, shards) for values in self))
