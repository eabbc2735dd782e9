"""Nearest rows among remembered candidates, searched again when the rows have turned too far."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import torch
from torch import Tensor

from arcface_plus.models.nearest.exchange import mean_over_rows
from arcface_plus.models.nearest.results import Neighbours
from arcface_plus.models.nearest.rows import Directions, block_length, on_cpu, row_blocks
from arcface_plus.models.nearest.search import Search

_LAG_ON_GPU = 4  # calls after which a measurement is read: by then it has arrived
_TOO_MANY = 0.1  # share of rows turned too far beyond which all candidates are searched again
_EVERY = 1000  # calls in which the lists of all rows are renewed in any case


class Cached:
    """Finds the nearest of each row's candidates, and sometimes searches for new candidates.

    All candidates are searched again when a tenth of the rows has turned by more than ``max_drift``
    (radians) since the last search. In addition each call renews one row in a thousand, cyclically,
    so that no list is older than 1,000 calls, even if only that row turned or another row came near
    it. Every call measures the drift, over the rows of all processes. On a CPU it takes effect at
    once; on a GPU exactly four calls later, which avoids a synchronization and keeps runs
    reproducible. ``patient``: wait for the measurement on a GPU, too.
    """

    def __init__(self, rows: int, count: int, max_drift: float, patient: bool = False) -> None:
        self.rows, self._count, self._limit = rows, count, max_drift
        self._patient = patient
        self._part, self._next = math.ceil(rows / _EVERY), 0
        self._table: Tensor | None = None
        self._then: Tensor | None = None  # unit rows when they were searched for, float16
        self._measured: deque[_Reading] = deque()
        self._refreshes, self._drift, self._stale = 0, 0.0, 0.0

    @torch.no_grad()
    def find(self, search: Search) -> Neighbours:
        if self._table is None or self._too_old(search):
            self._table, self._then = search.candidates(self._count), search.known.unit.half()
            self._measured.clear()
            self._drift, self._stale = 0.0, 0.0
            self._refreshes += 1
        else:
            self._renew_some(search)
        return search.nearest_of(self._table)

    def _renew_some(self, search: Search) -> None:
        assert self._table is not None
        assert self._then is not None
        part = slice(self._next, min(self._next + self._part, self.rows))
        own = search.renew(self._table, part)
        self._then[own] = search.known.unit[own].half()
        self._next = part.stop % self.rows

    def _too_old(self, search: Search) -> bool:
        assert self._then is not None
        turned = _turned(search.known, self._then)
        means = mean_over_rows((turned, (turned > self._limit).double()), search.shards)
        self._measured.append(_Reading(means))
        lag = 0 if self._patient or on_cpu(turned) else _LAG_ON_GPU
        if len(self._measured) <= lag:
            return False
        self._drift, self._stale = self._measured.popleft().values()
        return self._stale > _TOO_MANY

    def report(self) -> dict[str, float]:
        drift, stale = self._measured[-1].values() if self._measured else (self._drift, self._stale)
        return {
            "neighbour_drift_deg": math.degrees(drift),
            "neighbour_stale_fraction": stale,
            "neighbour_refreshes": float(self._refreshes),
        }

    def state(self) -> dict[str, Any]:
        """What has one entry a row (this process's rows) is under "by_row"; the rest is the same
        on every process."""
        if self._table is None:
            return {}
        return {
            "by_row": {"table": self._table, "then": self._then},
            "next": self._next,
            "measured": [reading.values() for reading in self._measured],
            "latest": (self._drift, self._stale),
            "refreshes": self._refreshes,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if "latest" in state:
            by_row = state.get("by_row", state)  # older checkpoints have no such entry
            self._table, self._then, self._next = by_row["table"], by_row["then"], state["next"]
            self._measured = deque(_Reading(torch.tensor(pair)) for pair in state["measured"])
            self._drift, self._stale = state["latest"]
            self._refreshes = state["refreshes"]


class _Reading:
    """Drift and share of stale rows, (2,), being copied from the device to the host."""

    def __init__(self, pair: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        self._pair = pair
        if pair.is_cuda:
            self._pair = torch.empty_like(pair, device="cpu", pin_memory=True)
            self._pair.copy_(pair, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def values(self) -> tuple[float, float]:
        if self._arrived is not None:
            self._arrived.synchronize()
        drift, stale = self._pair.tolist()
        return drift, stale


def _turned(known: Directions, then: Tensor) -> Tensor:
    """Angles (n,), radians, float64, by which the rows have turned since ``then``.

    From |now − then| with float16 rows: accurate to about 0.02°. Rows that become zero or nonzero
    count as turned by 60°.
    """
    chord = torch.empty(len(then), dtype=torch.float64, device=then.device)
    for rows in row_blocks(len(then), block_length(then)):
        chord[rows] = torch.linalg.vector_norm(known.unit[rows] - then[rows], dim=1).double()
    return 2.0 * torch.asin((chord / 2.0).clamp(max=1.0))
