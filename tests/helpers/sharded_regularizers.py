"""Regularizers over several processes against one process that holds all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from naive_angles import loss_and_gradient
from processes import in_processes
from sharded_rows import own_part
from torch import Tensor

from arcface_plus.models.regularizers import REGULARIZERS, Moment
from arcface_plus.models.regularizers.regularizer import Regularizer

WITHIN = {torch.float32: 1e-6, torch.float64: 1e-12}


class Case(NamedTuple):
    name: str
    parameters: dict[str, Any]
    weight: Tensor
    moment: Moment | None = None

    def built(self) -> Regularizer:
        return REGULARIZERS[self.name](**self.parameters)


def over_shards(
    rank: int, count: int, cases: Sequence[Case]
) -> list[tuple[Tensor, Tensor, dict[str, float]]]:
    """Of each case: the loss, the gradient of this process's rows, and the metrics."""
    found = []
    for case in cases:
        own, shards = own_part(case.weight, rank, count)
        regularizer = case.built()
        loss = regularizer(own.requires_grad_(), shards, case.moment)
        loss.backward()
        assert own.grad is not None
        found.append((loss.detach(), own.grad, regularizer.report()))
    return found


def check_over_shards(count: int, cases: Sequence[Case]) -> None:
    """Every process has the loss and the metrics of the whole matrix, the same bits on all, and the
    gradient of its rows; NaN on all of them where the whole has NaN."""
    results = in_processes(count, over_shards, count, cases)
    for position, case in enumerate(cases):
        found = [each[position] for each in results]
        alone = case.built()
        loss, grad = loss_and_gradient(
            case.weight,
            lambda weight, case=case, alone=alone: alone(weight, moment=case.moment),  # type: ignore[arg-type]
        )
        within = WITHIN[case.weight.dtype]
        if loss.isnan():
            assert all(ours.isnan() for ours, _, _ in found), case
            continue
        for ours, _, report in found:
            assert torch.equal(ours, found[0][0]), case
            assert report == alone.report(), case
            torch.testing.assert_close(ours, loss, rtol=within, atol=within)
        together = torch.cat([own for _, own, _ in found])
        wrong, length = (together - grad).norm(dim=1), grad.norm(dim=1)
        # Twice as much: a float32 slope of a pair loses more digits than a value.
        assert bool((wrong <= 2 * within * length.clamp(min=1.0)).all()), (case, wrong, length)
