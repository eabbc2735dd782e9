"""Normalised softmax: the baseline without a margin."""

from __future__ import annotations

from torch import Tensor, nn

from arcface_plus.models.heads.checks import check_cosine_and_labels, check_scale
from arcface_plus.models.precision import at_least_float32, without_autocast


class NormalizedSoftmax(nn.Module):
    """logits = scale · cosine (Wang et al., "NormFace", 2017); no margin."""

    def __init__(self, scale: float = 64.0) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = float(scale)

    def forward(self, cosine: Tensor, labels: Tensor) -> Tensor:
        """Cosines (n, C) and labels (n,) int64 → logits (n, C), at least float32."""
        check_cosine_and_labels(cosine, labels)
        with without_autocast(cosine):
            return at_least_float32(cosine) * self.scale

    def extra_repr(self) -> str:
        return f"scale={self.scale}"
