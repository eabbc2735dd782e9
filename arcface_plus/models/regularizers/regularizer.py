"""What every regularizer is: a scalar of a weight matrix, with metrics of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from arcface_plus.models.nearest.results import NearestAngles
from arcface_plus.models.shards import Shards


class Moment(NamedTuple):
    """When a regularizer is computed: the run's seed, the step (counted from 0), and the labels of
    the whole batch of all processes, (n,) int64, the same on each."""

    seed: int
    step: int
    labels: Tensor | None = None


class Regularizer(nn.Module, ABC):
    """``regularizer(weight (n, d)) -> scalar``, at least float32, with autocast off.

    ``last``: the nearest angles that the latest forward pass has found anyway, for metrics (with
    ``shards`` those of this process's rows: see ``NearestAngles.gathered``); None if it finds none.
    """

    acts: bool = True
    """Whether it can change a loss at all."""
    last: NearestAngles | None = None
    over_shards: bool = False
    """Whether it works on the rows of several processes."""
    needs_labels: bool = False
    """Whether it is about the classes of a batch: ``weight`` has a row a class, and ``moment``
    the labels."""
    needs_step: bool = False
    """Whether it draws anew in each step: it needs ``moment``."""

    @abstractmethod
    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """The term of ``weight`` (n, d). ``moment``: for those that need it.

        With ``shards``, ``weight`` is this process's part of a matrix of ``shards.rows`` rows:
        every process gets the value of the whole matrix, and the gradient of that by its own rows.
        """

    def report(self) -> dict[str, float]:
        """Its own entries in metrics.jsonl; may wait for a GPU."""
        return {}
