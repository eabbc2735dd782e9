"""Losses over the angle of every row to its nearest other row."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Any, Literal, Protocol, get_args

import torch
from torch import Tensor

from arcface_plus.models.nearest.angles import mean_of_angles
from arcface_plus.models.nearest.cached import Cached
from arcface_plus.models.nearest.results import NearestAngles, Neighbours
from arcface_plus.models.nearest.rolling import Rolling
from arcface_plus.models.nearest.rows import check_rows
from arcface_plus.models.nearest.search import Search, search_in
from arcface_plus.models.nearest.sharded_angles import mean_of_angles_of_shards
from arcface_plus.models.nearest.tile_search import GROUP
from arcface_plus.models.nearest.watch import EXACT_UP_TO
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.regularizers.regularizer import Moment, Regularizer
from arcface_plus.models.shards import Shards

Mode = Literal["auto", "exact", "cached", "rolling"]


class Finder(Protocol):
    """Finds the nearest rows of one weight matrix, step after step."""

    rows: int

    def find(self, search: Search) -> Neighbours: ...

    def report(self) -> dict[str, float]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class NeighbourLoss(Regularizer):
    """The mean over the rows of a weight matrix of a term of the angle to the nearest other row.

    O(n·d) memory, at least float32 with autocast off, and no synchronization with a GPU. The
    gradient is analytic and two-sided: a row moves because of its nearest row and because of the
    rows whose nearest it is. Zero rows have no direction: they are never neighbours, get no
    gradient and are left out of the mean. A row with NaN or inf makes the loss NaN.

    Args:
        mode: how the nearest rows are found. "exact": a search over all pairs in every call.
            "cached": every row keeps ``candidates`` near rows, and every call finds the nearest of
            them exactly. All are searched again once a tenth of the rows has turned by more than
            ``max_drift``, and every call renews one row in a thousand, cyclically: up to a tenth of
            the rows may have old candidates for up to 1,000 calls. "rolling": the same candidates,
            but every call renews one part in ``rolling_steps``, against all rows. "auto": exact up
            to 30,000 rows, else cached. Cached and rolling keep state about one weight matrix: use
            each instance for one matrix only.
        candidates: 1 to 32 (cached and rolling).
        max_drift: degrees (cached).
        rolling_steps: calls until every row's candidates are new (rolling).
        ignore_below: degrees; rows nearer than this to their nearest row are left out: if one
            person is split over two labels, the two weights should not be pushed apart.

    ``last``: the result of the latest forward pass (``None`` before the first), for metrics.
    """

    over_shards = True

    def __init__(
        self,
        mode: Annotated[Mode, "how nearest rows are found; auto: exact up to 30,000"] = "auto",
        candidates: Annotated[int, "near rows to remember, 1 to 32 (cached, rolling)"] = 16,
        max_drift: Annotated[float, "degrees until a new search (cached)"] = 4.0,
        rolling_steps: Annotated[int, "steps that renew all candidates (rolling)"] = 20,
        ignore_below: Annotated[float, "degrees; nearer pairs are left out"] = 0.0,
    ) -> None:
        super().__init__()
        if mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, not '{mode}'")
        if not 1 <= candidates <= GROUP:
            raise ValueError(f"candidates must be 1 to {GROUP}, not {candidates}")
        if not 0.0 < max_drift <= 180.0:
            raise ValueError(f"max_drift must be in (0, 180] degrees, not {max_drift}")
        if rolling_steps < 1:
            raise ValueError(f"rolling_steps must be at least 1, not {rolling_steps}")
        if not 0.0 <= ignore_below < 180.0:
            raise ValueError(f"ignore_below must be in [0, 180) degrees, not {ignore_below}")
        self.mode, self.candidates, self.max_drift = mode, candidates, float(max_drift)
        self.rolling_steps, self.ignore_below = rolling_steps, float(ignore_below)
        self.last = None
        self._ignored: Tensor | None = None
        self._finder: Finder | None = None
        self._restored: dict[str, Any] | None = None

    @abstractmethod
    def term(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Of angles (n,), radians, float64: each row's term and its derivative by the angle."""

    @torch.compiler.disable
    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """Weight (n, d), n ≥ 2, floating point → scalar; else ``ValueError``. With ``shards``: see
        ``Regularizer``; all processes that hold a part must call it."""
        shards = shards or Shards(len(weight))
        check_rows(weight, shards)
        with without_autocast(weight):
            found = self._finder_for(weight, shards).find(search_in(weight, shards))
            loss, angle = self._mean(at_least_float32(weight), found, shards)
        self.last = NearestAngles(angle, *found)
        return loss

    def _mean(self, weight: Tensor, found: Neighbours, shards: Shards) -> tuple[Tensor, Tensor]:
        """The loss, and the angles (own rows,)."""
        nearer = math.radians(self.ignore_below)
        if shards.count == 1:
            loss, angle = mean_of_angles(weight, *found, self.term, nearer)
            self._ignored = (found.counted & (angle < nearer)).sum() if nearer > 0.0 else None
            return loss, angle
        loss, angle, self._ignored = mean_of_angles_of_shards(
            weight, *found, self.term, nearer, shards
        )
        return loss, angle

    def report(self) -> dict[str, float]:
        """Metrics of the search; waits for a GPU."""
        report = self._finder.report() if self._finder is not None else {}
        if self.ignore_below > 0.0 and self._ignored is not None:
            report["ignored_rows"] = float(self._ignored)
        return report

    def extra_repr(self) -> str:
        return f"mode={self.mode}"

    def _finder_for(self, weight: Tensor, shards: Shards) -> Finder:
        if self._finder is None or self._finder.rows != shards.rows:
            self._finder = self._new_finder(shards.rows)
            if self._restored and self._restored["rows"] == shards.rows:
                self._finder.restore(_on(self._restored, weight.device))
            self._restored = None
        return self._finder

    def _new_finder(self, rows: int) -> Finder:
        mode = self.mode
        if mode == "auto":
            mode = "exact" if rows <= EXACT_UP_TO else "cached"
        if mode == "cached":
            return Cached(rows, self.candidates, math.radians(self.max_drift))
        return (
            Rolling(rows, self.candidates, self.rolling_steps) if mode == "rolling" else Exact(rows)
        )

    def get_extra_state(self) -> dict[str, Any]:
        """What a resumed run needs to continue with the same candidates.

        "by_row", where there is one, holds tensors with an entry for each of this process's rows;
        everything else is the same on every process.
        """
        if self._finder is None:
            return self._restored or {}
        return {"rows": self._finder.rows, **self._finder.state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self._finder, self._restored = None, state or None


class Exact:
    """A search over all pairs in every call."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def find(self, search: Search) -> Neighbours:
        return search.nearest()

    def report(self) -> dict[str, float]:
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


def _on(state: dict[str, Any], device: torch.device) -> dict[str, Any]:
    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return _on(value, device)
        return value.to(device) if isinstance(value, Tensor) else value

    return {name: moved(value) for name, value in state.items()}
