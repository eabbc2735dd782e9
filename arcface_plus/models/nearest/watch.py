"""Angles of one weight matrix, measured occasionally: the log of runs without a regularizer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arcface_plus.models.nearest.cached import Cached
from arcface_plus.models.nearest.neighbours import angles_at, nearest_angles
from arcface_plus.models.nearest.results import NearestAngles
from arcface_plus.models.nearest.search import search_in
from arcface_plus.models.precision import without_autocast
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
        """Of ``weight`` (n, d), n ≥ 2, and ``shards``: see ``nearest_angles``."""
        shards = shards or Shards(len(weight))
        if shards.rows <= EXACT_UP_TO:
            return nearest_angles(weight, shards)
        if self._cached is None or self._cached.rows != shards.rows:
            self._cached = Cached(shards.rows, count=16, max_drift=math.radians(4.0), patient=True)
        with without_autocast(weight):
            found = self._cached.find(search_in(weight, shards))
        return angles_at(weight, found, shards)
