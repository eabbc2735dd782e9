"""Running statistics: of whole batches, however many parts they come in."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcface_plus.models.heads.running import RunningStatistics


def mean(values: Tensor) -> Tensor:
    return values.mean().reshape(1)


def test_is_the_moving_average_of_the_batches() -> None:
    running = RunningStatistics((2.0,), 0.75, mean)
    expected = 2.0
    for number in range(4):
        batch = torch.arange(5.0) + number
        running.update(batch, closing=True)
        expected = 0.75 * expected + 0.25 * float(batch.mean())
        assert running.value.item() == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [[2, 3], [1, 1, 3], [5]])
def test_parts_end_where_the_whole_batch_does(sizes: list[int]) -> None:
    torch.manual_seed(0)
    whole, parts = (RunningStatistics((2.0,), 0.75, mean) for _ in range(2))
    for _ in range(3):
        batch, seen = torch.randn(5), torch.zeros(0)
        before = parts.value
        for number, part in enumerate(batch.split(sizes), 1):
            parts.update(part, closing=number == len(sizes))
            seen = torch.cat([seen, part])
            torch.testing.assert_close(parts.value, 0.75 * before + 0.25 * seen.mean())
        whole.update(batch, closing=True)
        assert torch.equal(whole.value, parts.value)


def test_is_saved_and_moved_with_the_module() -> None:
    running, other = (RunningStatistics((2.0,), 0.5, mean) for _ in range(2))
    running.update(torch.ones(3), closing=True)
    other.load_state_dict(running.state_dict())
    for one in (running, other):
        one.update(torch.zeros(3, dtype=torch.float64), closing=True)
    assert torch.equal(running.value, other.value)
    assert running.value.dtype == torch.float32


def test_momentum_is_a_share() -> None:
    with pytest.raises(ValueError, match=r"momentum must be at least 0 and below 1, not 1\.0"):
        RunningStatistics((0.0,), 1.0, mean)
