"""Nearest rows among remembered candidates, searched for anew when the rows have turned too far."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import torch
from torch import Tensor

from arcface_plus.models.regularizers.neighbours import Neighbours, neighbours
from arcface_plus.models.regularizers.pair_search import candidates, nearest_of
from arcface_plus.models.regularizers.rows import (
    Directions,
    block_length,
    directions,
    on_cpu,
    row_blocks,
)

_LAG_ON_GPU = 4  # calls after which a measured drift is read: by then it has long arrived
_FURTHEST_SHARE = 0.1  # of the rows have turned further than what is called the drift


class Cached:
    """Finds the nearest of each row's candidates; renews all when ``drift`` exceeds its limit.

    The drift is the angle that all but a tenth of the rows stay below, between where they are and
    where they were at the latest search. It is measured at every call and acted upon at once; on
    a GPU four calls later, so that nobody waits for it, always the same four, so that a run can be
    repeated. ``patient``: wait for it there, too.
    """

    def __init__(self, rows: int, count: int, max_drift: float, patient: bool = False) -> None:
        self.rows, self._count, self._limit = rows, count, math.radians(max_drift)
        self._patient = patient
        self._table: Tensor | None = None
        self._then: Tensor | None = None  # unit rows at the latest search, float16
        self._measured: deque[_Reading] = deque()
        self._refreshes, self._drift = 0, 0.0

    @torch.no_grad()
    def find(self, weight: Tensor) -> Neighbours:
        known = directions(weight)
        if self._table is None or self._too_old(known):
            self._table = candidates(known, self._count)
            self._then = known.unit.half()
            self._measured.clear()
            self._drift = 0.0
            self._refreshes += 1
        return neighbours(known, *nearest_of(known, self._table))

    def _too_old(self, known: Directions) -> bool:
        assert self._then is not None
        self._measured.append(_Reading(_drift(known, self._then)))
        lag = 0 if self._patient or on_cpu(known.unit) else _LAG_ON_GPU
        if len(self._measured) <= lag:
            return False
        self._drift = self._measured.popleft().value()
        return self._drift > self._limit

    def report(self) -> dict[str, float]:
        drift = self._measured[-1].value() if self._measured else self._drift
        return {
            "neighbour_drift_deg": math.degrees(drift),
            "neighbour_refreshes": float(self._refreshes),
        }

    def state(self) -> dict[str, Any]:
        if self._table is None:
            return {}
        return {
            "table": self._table,
            "then": self._then,
            "measured": [reading.value() for reading in self._measured],
            "refreshes": self._refreshes,
            "drift": self._drift,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if "then" in state:
            self._table, self._then = state["table"], state["then"]
            self._refreshes, self._drift = state["refreshes"], state["drift"]
            self._measured = deque(_Reading(torch.tensor(angle)) for angle in state["measured"])


class _Reading:
    """A number on its way from the device to the host."""

    def __init__(self, number: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        self._number = number
        if number.is_cuda:
            self._number = torch.empty_like(number, device="cpu", pin_memory=True)
            self._number.copy_(number, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def value(self) -> float:
        if self._arrived is not None:
            self._arrived.synchronize()
        return float(self._number)


def _drift(known: Directions, then: Tensor) -> Tensor:
    """The angle, radians, that all but a tenth of the rows have turned by at most since ``then``.

    From |now − then|, of float16 rows: right to about 0.02°.
    """
    count = len(then)
    chord = torch.empty(count, dtype=known.unit.dtype, device=then.device)
    for rows in row_blocks(count, block_length(then)):
        chord[rows] = torch.linalg.vector_norm(known.unit[rows] - then[rows], dim=1)
    place = max(1, math.ceil((1.0 - _FURTHEST_SHARE) * count))
    return 2.0 * torch.asin((chord.kthvalue(place).values / 2.0).clamp(max=1.0))
