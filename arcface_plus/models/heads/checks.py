"""Checks of the parameters and inputs of every head."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_scale(scale: float) -> None:
    """Raise ``ValueError`` unless the scale is positive and finite."""
    if not (scale > 0.0 and math.isfinite(scale)):
        raise ValueError(f"scale must be positive and finite, not {scale}")


def check_not_negative(name: str, value: float) -> float:
    """The value as a float; ``ValueError`` unless it is finite and at least 0."""
    if not (value >= 0.0 and math.isfinite(value)):
        raise ValueError(f"{name} must be finite and at least 0, not {value}")
    return float(value)


def check_margin(margin: float) -> float:
    """The margin as a float; ``ValueError`` unless it is in [0, π)."""
    if not 0.0 <= margin < math.pi:
        raise ValueError(f"margin must be at least 0 and below pi (radians), not {margin}")
    return float(margin)


def check_share(name: str, value: float) -> float:
    """The value as a float; ``ValueError`` unless it is in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be at least 0 and below 1, not {value}")
    return float(value)


def check_cosine_and_labels(cosine: Tensor, labels: Tensor) -> None:
    """Raise ``ValueError`` unless ``cosine`` is (n, C) and ``labels`` (n,) int64 in [0, C).

    Values are checked on the CPU only: on a GPU that would force a synchronization, and there the
    indexing that follows raises an error for an invalid label.
    """
    if cosine.ndim != 2 or not cosine.is_floating_point():
        raise ValueError(
            f"cosine must be floating point (n, C), not {cosine.dtype} {tuple(cosine.shape)}"
        )
    check_labels(labels, *cosine.shape)


def check_labels(labels: Tensor, count: int, classes: int) -> None:
    """Raise ``ValueError`` unless ``labels`` is (count,) int64 in [0, classes); see above."""
    if labels.shape != (count,) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be int64 ({count},), not {labels.dtype} {tuple(labels.shape)}"
        )
    if labels.device.type == "cpu" and labels.numel():
        low, high = (int(bound) for bound in torch.aminmax(labels))
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise ValueError(
                f"label {wrong} is outside 0 to {classes - 1}: there are {classes} classes"
            )
