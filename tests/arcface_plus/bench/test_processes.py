"""Benchmarks in several processes."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from arcface_plus.bench.processes import in_process_group


def _ranks(rank: int, count: int, first: float) -> tuple[float, int]:
    if first < 0.0 and rank == 0:
        raise SystemExit(3)
    value = torch.tensor([first + rank])
    dist.all_reduce(value)
    return float(value), torch.get_num_threads()


def test_the_first_process_answers() -> None:
    assert in_process_group(2, _ranks, 1.0) == (3.0, 1)


def test_a_process_without_a_result_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended without a result"):
        in_process_group(2, _ranks, -1.0)
