"""Mean, angles and two-sided gradient over shards, from given partners."""

from __future__ import annotations

import pytest
import torch
from naive_angles import F64, random_rows
from processes import in_processes
from sharded_rows import joined, own_part
from torch import Tensor

from arcface_plus.models.nearest import sharded_angles
from arcface_plus.models.nearest.angles import angles_to, mean_of_angles
from arcface_plus.models.nearest.sharded_angles import angles_of_shard, mean_of_angles_of_shards
from arcface_plus.models.regularizers import MMA

BELOW = 1.0


def _mean(
    rank: int, count: int, weight: Tensor, index: Tensor, at_once: int
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    sharded_angles._ROWS_AT_ONCE = at_once
    own, shards = own_part(weight, rank, count)
    own.requires_grad_()
    others = index[shards.own]
    counted = torch.ones(len(own), dtype=torch.bool)
    loss, angle, ignored = mean_of_angles_of_shards(own, others, counted, MMA().term, BELOW, shards)
    (3.0 * loss).backward()
    assert own.grad is not None
    return (angle, own.grad, angles_of_shard(own, others, shards)), (loss.detach(), ignored)


@pytest.mark.parametrize("at_once", [4, 8192])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (F64, 1e-13)])
def test_mean_and_gradient_are_those_of_one_process(
    dtype: torch.dtype, within: float, at_once: int
) -> None:
    weight = random_rows(22, 6, dtype)
    weight[20] = weight[1]  # identical
    weight[13] = -2.0 * weight[2]  # opposite
    index = torch.randint(0, 22, (22,), generator=torch.Generator().manual_seed(0))
    index[:9] = 21  # the partner of many
    index[torch.tensor([1, 20, 2, 13])] = torch.tensor([20, 1, 13, 2])
    index = torch.where(index == torch.arange(22), (index + 1) % 22, index)
    found = in_processes(3, _mean, 3, weight, index, at_once)
    angle, grad, again = joined([by_row for by_row, _ in found])
    whole = weight.clone().requires_grad_()
    counted = torch.ones(22, dtype=torch.bool)
    expected, angles = mean_of_angles(whole, index, counted, MMA().term, BELOW)
    (3.0 * expected).backward()
    assert whole.grad is not None
    torch.testing.assert_close(angle, angles, rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(again, angles_to(weight, index), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(
        grad, whole.grad, rtol=0, atol=within * float(whole.grad.abs().max())
    )
    for loss, ignored in (same for _, same in found):
        assert torch.equal(loss, found[0][1][0])
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-14, atol=0)
        assert int(ignored) == int((angles < BELOW).sum()) > 0
