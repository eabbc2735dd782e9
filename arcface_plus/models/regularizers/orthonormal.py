"""Orthonormality of rows: their directions and their lengths."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from arcface_plus.models.nearest.rows import check_rows
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.regularizers.orthogonal import smaller_gram
from arcface_plus.models.regularizers.regularizer import Moment, Regularizer
from arcface_plus.models.shards import Shards


class Orthonormal(Regularizer):
    """L(W) = |WWᵀ − I|_F, W with one row a neuron, not normalized; or its square.

    "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, section 3.7 (weight 1e-5; there
    neurons are columns) and, squared, appendix E. It also pulls norms towards 1: a zero row counts
    with 1. Computed in float64 with autocast off, in n·d·min(n, d) operations.
    """

    over_shards = True

    def __init__(self, squared: Annotated[bool, "the square of the norm"] = False) -> None:
        super().__init__()
        self.squared = squared

    def forward(
        self, weight: Tensor, shards: Shards | None = None, moment: Moment | None = None
    ) -> Tensor:
        """Weight (n, d), n ≥ 2, floating point → scalar; else ``ValueError``."""
        shards = shards or Shards(len(weight))
        check_rows(weight, shards)
        with without_autocast(weight):
            gram = smaller_gram(weight.double(), shards)
            distance = gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            # WWᵀ has n eigenvalues, WᵀW the nonzero ones of these: each missing 0 counts with 1.
            square = distance.square().sum() + (shards.rows - len(gram))
            if not self.squared:
                # The norm has no gradient at 0, where autograd's would be NaN.
                square = torch.where(
                    square == 0.0, 0.0, torch.where(square == 0.0, 1.0, square).sqrt()
                )
        return square.to(at_least_float32(weight).dtype)
