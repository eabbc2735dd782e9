"""Rows drawn by several processes have the bits of one draw of the whole matrix."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcface_plus.models import initial_rows
from arcface_plus.models.initial_rows import normal_rows
from arcface_plus.models.shards import Shards


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("block", [16, 100, 2**22])
@pytest.mark.parametrize(
    ("rows", "columns"), [(2, 2), (5, 3), (5, 4), (11, 7), (17, 16), (97, 512), (333, 13), (20, 48)]
)
def test_the_bits_of_one_draw(monkeypatch, rows, columns, block, count):
    monkeypatch.setattr(initial_rows, "_BLOCK", block)
    torch.manual_seed(3)
    whole = nn.init.normal_(torch.empty(rows, columns), std=0.01)
    after = torch.rand(5)
    parts = []
    for rank in range(count):
        torch.manual_seed(3)
        parts.append(normal_rows(Shards(rows, rank, count), columns, std=0.01))
        assert torch.equal(torch.rand(5), after)  # nothing drawn afterwards changes
    assert torch.equal(torch.cat(parts), whole)


def test_the_bits_of_one_large_draw():
    """In several blocks of the real size."""
    rows, columns = 20_000, 512
    assert rows * columns > 2 * initial_rows._BLOCK
    torch.manual_seed(0)
    whole = nn.init.normal_(torch.empty(rows, columns), std=0.01)
    torch.manual_seed(0)
    assert torch.equal(
        normal_rows(Shards(rows, 2, 3), columns, std=0.01), whole[Shards(rows, 2, 3).own]
    )
