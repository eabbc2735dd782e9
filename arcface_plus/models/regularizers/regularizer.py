"""What every regularizer is: a scalar of a weight matrix, with metrics of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from arcface_plus.models.nearest.results import NearestAngles
from arcface_plus.models.shards import Shards


class Regularizer(nn.Module, ABC):
    """``regularizer(weight (n, d)) -> scalar``, at least float32, with autocast off.

    ``last``: the nearest angles that the latest forward pass has found anyway, for metrics (with
    ``shards`` those of this process's rows: see ``NearestAngles.gathered``); None if it finds none.
    """

    acts: bool = True
    """Whether it can change a loss at all."""
    last: NearestAngles | None = None

    @abstractmethod
    def forward(self, weight: Tensor, shards: Shards | None = None) -> Tensor:
        """The term of ``weight`` (n, d).

        With ``shards``, ``weight`` is this process's part of a matrix of ``shards.rows`` rows:
        every process gets the value of the whole matrix, and the gradient of that by its own rows.
        """

    def report(self) -> dict[str, float]:
        """Its own entries in metrics.jsonl; may wait for a GPU."""
        return {}
