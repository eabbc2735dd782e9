"""What must run in float32 does so under autocast, too, and float64 stays float64."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.precision import at_least_float32, without_autocast


def test_autocast_is_disabled_inside() -> None:
    x = torch.randn(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with without_autocast(x):
            assert (x @ x).dtype == torch.float32
            assert torch.equal(x @ x, x.mm(x))
        assert (x @ x).dtype == torch.bfloat16


def test_without_autocast_no_context_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a graph captured without autocast does not contain it."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: pytest.fail("entered"))
    with without_autocast(torch.zeros(1)):
        pass


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wide_floats_are_not_copied(dtype: torch.dtype) -> None:
    x = torch.zeros(3, dtype=dtype)
    assert at_least_float32(x) is x


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_are_widened(dtype: torch.dtype) -> None:
    found = at_least_float32(torch.full((3,), 1.5, dtype=dtype))
    assert found.dtype == torch.float32
    assert found.tolist() == [1.5] * 3
