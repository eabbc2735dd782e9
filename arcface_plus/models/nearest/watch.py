"""Angles of one weight matrix, measured occasionally: the log of runs without a regularizer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arcface_plus.models.nearest.angles import angles_to
from arcface_plus.models.nearest.cached import Cached
from arcface_plus.models.nearest.neighbours import NearestAngles, nearest_angles
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.shards import Shards

EXACT_UP_TO = 30_000  # rows; beyond, a search over all pairs costs more than a step may


class Watch:
    """Angles of every row to its nearest: exact up to 30,000 rows, else by remembered candidates.

    Like ``NeighbourLoss`` with mode "auto", except that it waits for the GPU to check whether the
    candidates are too old: calls are rare, and the weights move far in between.
    """

    def __init__(self) -> None:
        self._cached: Cached | None = None

    @torch.no_grad()
    def angles(self, weight: Tensor, shards: Shards | None = None) -> NearestAngles:
        """Of ``weight`` (n, d), n ≥ 2: see ``nearest_angles``."""
        assert shards is None or shards.count == 1, "the search over shards is yet to come"
        if len(weight) <= EXACT_UP_TO:
            return nearest_angles(weight)
        if self._cached is None or self._cached.rows != len(weight):
            self._cached = Cached(len(weight), count=16, max_drift=math.radians(4.0), patient=True)
        weight = at_least_float32(weight.detach())
        with without_autocast(weight):
            row, counted = self._cached.find(weight)
            return NearestAngles(angles_to(weight, row), row, counted)
