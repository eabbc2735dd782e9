"""Checks of the parameters and inputs of every backbone."""

from __future__ import annotations

from torch import Tensor

from data_prep.crop_size import SIDE


def check_parameters(embedding_dim: int, dropout: float) -> None:
    """Raise ``ValueError`` unless the embedding has a dimension and dropout is in [0, 1)."""
    if embedding_dim < 1:
        raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")


def check_images(images: Tensor) -> None:
    """Raise ``ValueError`` unless ``images`` is (n, 3, 112, 112)."""
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, SIDE, SIDE):
        raise ValueError(f"images must be (n, 3, 112, 112), not {tuple(images.shape)}")
