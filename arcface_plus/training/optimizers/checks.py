"""Checks of the parameters of every optimizer."""

from __future__ import annotations

import math


def check_lr(lr: float) -> None:
    """Raise ``ValueError`` unless the learning rate is positive and finite."""
    if not (lr > 0.0 and math.isfinite(lr)):
        raise ValueError(f"lr must be positive and finite, not {lr}")


def check_share(name: str, value: float) -> None:
    """Raise ``ValueError`` unless a decay rate such as momentum is in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be at least 0 and below 1, not {value}")


def check_weight_decay(weight_decay: float) -> None:
    """Raise ``ValueError`` unless the decay is finite and at least 0."""
    if not (weight_decay >= 0.0 and math.isfinite(weight_decay)):
        raise ValueError(f"weight_decay must be finite and at least 0, not {weight_decay}")
