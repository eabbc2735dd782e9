"""One row per class, whatever a head keeps for it: what regularizers and angles are about."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.precision import at_least_float32, without_autocast


def class_rows(weight: Tensor) -> Tensor:
    """Class weights (C, d) themselves; of (C, K, d), the means (C, d) of each class's K unit rows.

    A regularizer so parts the classes and leaves the sub-centres of a class alone.
    """
    if weight.ndim == 2:
        return weight
    with without_autocast(weight):
        return F.normalize(at_least_float32(weight), dim=-1).mean(dim=1)
