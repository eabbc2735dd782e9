"""What all margin heads share: precision, and an unchanged input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcface_plus.models.heads import ArcFace, NormalizedSoftmax


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    cosine = (torch.rand(120, 7, dtype=torch.float64) * 1.98 - 0.99).to(dtype)
    return cosine, torch.arange(120) % 7


def test_the_input_is_left_alone() -> None:
    cosine, labels = batch(torch.float32)
    before = cosine.clone()
    for head in (ArcFace(), NormalizedSoftmax()):
        head(cosine, labels)
    assert torch.equal(cosine, before)


@pytest.mark.parametrize("head", [ArcFace(), NormalizedSoftmax()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32_logits(head: torch.nn.Module, dtype: torch.dtype) -> None:
    cosine, labels = batch(dtype)
    plain = head(cosine, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = head(cosine, labels)
    assert plain.dtype == under_autocast.dtype == torch.float32
    assert torch.equal(plain, under_autocast)
    assert torch.equal(plain, head(cosine.float(), labels))
