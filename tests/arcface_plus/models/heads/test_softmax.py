"""Normalized softmax: the scale, and no margin."""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.heads import ArcFace, NormalizedSoftmax


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    cosine = (torch.rand(120, 7, dtype=torch.float64) * 1.98 - 0.99).to(dtype)
    return cosine, torch.arange(120) % 7


def test_softmax_scales_and_adds_no_margin() -> None:
    cosine, labels = batch()
    assert torch.equal(NormalizedSoftmax(16.0)(cosine, labels), cosine * 16.0)
    torch.testing.assert_close(ArcFace(16.0, 0.0)(cosine, labels), cosine * 16.0)
