"""Which rows of a matrix each process holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shards:
    """``rows`` rows of a matrix over ``count`` processes; this one is number ``rank``.

    Split as ``torch.chunk`` and DTensor's ``Shard(0)`` do: equal parts, the last ones shorter or
    empty. One process holds everything.
    """

    rows: int
    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not (self.rows >= 0 and 0 <= self.rank < self.count):
            raise ValueError(
                f"no process {self.rank} of {self.count} can hold a part of {self.rows} rows"
            )

    @property
    def length(self) -> int:
        """Rows of each part but the last ones."""
        return max(1, -(-self.rows // self.count))

    def of(self, rank: int) -> slice:
        """The rows that process ``rank`` holds."""
        return slice(min(rank * self.length, self.rows), min((rank + 1) * self.length, self.rows))

    @property
    def own(self) -> slice:
        """The rows that this process holds."""
        return self.of(self.rank)

    @property
    def sizes(self) -> list[int]:
        """How many rows each process holds."""
        parts = [self.of(rank) for rank in range(self.count)]
        return [part.stop - part.start for part in parts]

    def owner(self, row: Tensor) -> Tensor:
        """The process that holds each row: int64, of the shape of ``row``."""
        return row // self.length

    def place(self, row: Tensor) -> Tensor:
        """Where this process holds each row, counted from its first one; -1 if another does."""
        own = self.own
        return torch.where((row >= own.start) & (row < own.stop), row - own.start, -1)
