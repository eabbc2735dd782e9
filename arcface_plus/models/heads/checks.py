"""Checks of the parameters and inputs of every head."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_scale(scale: float) -> None:
    """Raise ``ValueError`` unless the scale is positive and finite."""
    if not (scale > 0.0 and math.isfinite(scale)):
        raise ValueError(f"scale must be positive and finite, not {scale}")


def check_cosine_and_labels(cosine: Tensor, labels: Tensor) -> None:
    """Raise ``ValueError`` unless ``cosine`` is (n, C) and ``labels`` (n,) int64 in [0, C).

    Values are checked on the CPU only: on a GPU that would force a synchronization, and there the
    indexing that follows raises an error for an invalid label.
    """
    if cosine.ndim != 2 or not cosine.is_floating_point():
        raise ValueError(
            f"cosine must be floating point (n, C), not {cosine.dtype} {tuple(cosine.shape)}"
        )
    if labels.shape != cosine.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be int64 ({cosine.shape[0]},), not {labels.dtype} {tuple(labels.shape)}"
        )
    check_labels(labels, cosine.shape[1])


def check_labels(labels: Tensor, classes: int) -> None:
    """Raise ``ValueError`` unless all labels are in [0, classes); checked on the CPU only."""
    if labels.device.type == "cpu" and labels.numel():
        low, high = (int(bound) for bound in torch.aminmax(labels))
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise ValueError(
                f"label {wrong} is outside 0 to {classes - 1}: there are {classes} classes"
            )
