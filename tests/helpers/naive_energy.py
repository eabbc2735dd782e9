"""The energy of all pairs, pair by pair, in float64: the reference for ``MHE``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

F64 = torch.float64


def pair_energy(distance: Tensor, power: float) -> Tensor:
    return -distance.log() if power == 0 else distance**-power


def naive_energy(
    weight: Tensor,
    power: float,
    angular: bool = False,
    half_space: bool = False,
    labels: list[int] | None = None,
    scales: list[float] | None = None,
) -> Tensor:
    """The mean by its definition; in half space over the 2n rows [W; −W]."""
    rows = [row / row.norm() for row in weight.to(F64)]
    rows += [-row for row in rows] if half_space else []
    beta = [1.0] * len(rows) if scales is None else [*scales, *scales]
    total = torch.zeros((), dtype=F64)
    firsts = range(len(rows)) if labels is None else labels
    for i in firsts:
        for j in range(len(rows)):
            if i == j:
                continue
            if angular and half_space and abs(i - j) == len(weight):
                distance = torch.tensor(math.pi, dtype=F64)  # constant: arccos has no slope there
            elif angular:
                distance = torch.arccos(rows[i] @ rows[j])
            else:
                distance = (beta[i] * rows[i] - beta[j] * rows[j]).norm()
            total = total + pair_energy(distance, power)
    return total / (len(firsts) * (len(rows) - 1))
