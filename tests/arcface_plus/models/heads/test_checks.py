"""Inputs and parameters that every head refuses."""

from __future__ import annotations

import math

import pytest
import torch

from arcface_plus.models.heads import ArcFace, NormalizedSoftmax


@pytest.mark.parametrize("head", [ArcFace(), NormalizedSoftmax()])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "label 3 is outside 0 to 2: there are 3 classes"),
        ([-1, 0], "label -1 is outside 0 to 2"),
        ([0], r"labels must be int64 \(2,\)"),
        ([0.0, 1.0], "labels must be int64"),
    ],
)
def test_wrong_labels(head: torch.nn.Module, labels: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head(torch.zeros(2, 3), torch.tensor(labels))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ArcFace(scale=0.0), "scale must be positive"),
        (lambda: ArcFace(scale=math.nan), "scale must be positive"),
        (lambda: ArcFace(margin=-0.1), "margin must be at least 0"),
        (lambda: ArcFace(margin=4.0), "margin must be at least 0 and below pi"),
        (lambda: ArcFace(margin_gradient="none"), "margin_gradient must be"),
        (lambda: NormalizedSoftmax(scale=-1.0), "scale must be positive"),
    ],
)
def test_wrong_parameters(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]
