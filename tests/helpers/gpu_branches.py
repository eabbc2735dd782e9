"""Take on a CPU the branches of the neighbour search for GPUs."""

import pytest

from arcface_plus.models.nearest import (
    angles,
    cached,
    close_rows,
    pair_search,
    rows,
    search,
    sharded_search,
    tile_search,
)

MODULES = (search, sharded_search, pair_search, tile_search, close_rows, rows, cached, angles)


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float16 search that reads no values and skips nothing."""
    for module in MODULES:
        monkeypatch.setattr(module, "on_cpu", lambda tensor: False)
