"""The discriminator's layers; spectral norm makes the largest singular value about 1."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from gan_runs import real_batch
from torch import nn
from torch.nn.functional import conv2d, leaky_relu

from arcface_plus.gan.discriminator import Discriminator

MAPS = (3, 64, 128, 128, 256, 256, 512, 512)
KERNELS = (3, 4, 3, 4, 3, 4, 3)


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_parameters_of_the_public_codes_network(normalization):
    with torch.device("meta"):
        network = Discriminator(normalization=normalization)
    weights = sum(a * b * k * k + b for (a, b), k in zip(pairwise(MAPS), KERNELS, strict=True))
    norms = 2 * sum(MAPS[1:]) if normalization == "batch" else 0
    expected = weights + norms + 512 * 4 * 4
    assert sum(p.numel() for p in network.parameters()) == expected


def test_every_layer_is_the_public_codes():
    torch.manual_seed(0)
    network = Discriminator(width=0.1).double()
    x = images = real_batch(2).double()
    for unit, kernel in zip(network.convolutions, KERNELS, strict=True):
        stride = 2 if kernel == 4 else 1
        x = leaky_relu(conv2d(x, unit[0].weight, unit[0].bias, stride, padding=1), 0.1)
    assert x.shape[1:] == (51, 4, 4)
    scores = (x.reshape(2, -1) @ network.dense.weight.T)[:, 0]
    torch.testing.assert_close(network(images), scores, rtol=0, atol=1e-14)


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    network = Discriminator(width=0.1, normalization="spectral")
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 8
    before = {id(m): torch.linalg.matrix_norm(m.parametrizations.weight.original.flatten(1), 2)
              for m in layers}  # fmt: skip
    for _ in range(60):  # each forward pass in training mode makes a power iteration
        network(real_batch(2))
    network.eval()
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1.0, abs=0.02)
        assert abs(before[id(layer)].item() - 1.0) > 0.05
