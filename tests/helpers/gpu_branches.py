"""Taking, on a CPU, the branches that the search for nearest rows takes on a GPU."""

import pytest

from arcface_plus.models.nearest import (
    angles,
    cached,
    close_rows,
    neighbours,
    pair_search,
    rows,
    tile_search,
)


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float16 search, nothing looked at, nothing skipped."""
    for module in (neighbours, pair_search, tile_search, close_rows, rows, cached, angles):
        monkeypatch.setattr(module, "on_cpu", lambda tensor: False)
