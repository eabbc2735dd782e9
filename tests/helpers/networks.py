"""Small networks and the naive way to their embeddings, for the tests of model files."""

from __future__ import annotations

import numpy as np
import torch


def settled(network: torch.nn.Module) -> torch.nn.Module:
    """Evaluation mode, with batch-norm statistics and weights that are not the initial ones."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


def naive(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    pixels = (images.astype(np.float64) - 127.5) / 127.5
    with torch.no_grad():
        tensor = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()
        return network(tensor).numpy()


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Relative to the length of the embeddings."""
    length = np.linalg.norm(expected, axis=1).mean()
    assert np.abs(found - expected).max() <= tolerance * length
