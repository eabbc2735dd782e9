"""Cosine convolutions against a naive patch loop, and SphereNet's layers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from classification_networks import parameters, shapes
from torch import nn

from arcface_plus.models.networks.cnn import cnn9
from arcface_plus.models.networks.spherenet import CosineConv2d, SphereNet


def test_each_output_is_the_cosine_between_filter_and_patch() -> None:
    torch.manual_seed(0)
    layer = CosineConv2d(2, 4).double()
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    padded = F.pad(x, (1, 1, 1, 1))
    expected = torch.empty(2, 4, 5, 6, dtype=torch.float64)
    for n in range(2):
        for k in range(4):
            for i in range(5):
                for j in range(6):
                    patch, w = padded[n, :, i : i + 3, j : j + 3], layer.weight[k]
                    length = (patch.square().sum() + 1e-4) * (w.square().sum() + 1e-4)
                    expected[n, k, i, j] = (patch * w).sum() / length.sqrt()
    assert torch.allclose(layer(x), expected, atol=1e-12)


def test_gradients() -> None:
    torch.manual_seed(0)
    layer = CosineConv2d(2, 3).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def forward(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(forward, (x, layer.weight))


def test_black_patches_have_cosine_0_and_finite_gradients() -> None:
    layer = CosineConv2d(3, 4)
    x = torch.zeros(1, 3, 6, 6, requires_grad=True)
    out = layer(x)
    assert not out.any()
    out.sum().backward()
    assert x.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("factor", [1e-1, 10.0, 1e3])
def test_neither_the_filters_nor_the_images_scale_matters(factor: float) -> None:
    torch.manual_seed(0)
    layer = CosineConv2d(16, 8)
    x = torch.randn(1, 16, 6, 6)
    before = layer(x)
    assert torch.allclose(layer(x * factor), before, atol=1e-3)
    layer.weight.data *= factor
    assert torch.allclose(layer(x), before, atol=1e-2)


def test_layers_are_those_of_cnn_9_with_cosines() -> None:
    network = SphereNet()
    hidden = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(hidden) == 10
    assert all(isinstance(m, CosineConv2d) for m in hidden)
    assert hidden[-1].weight.shape == (256, 256, 4, 4)
    assert shapes(network) == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]


def test_parameters_are_those_of_cnn_9_and_one_more_batch_norm() -> None:
    assert parameters(SphereNet, 10) == parameters(cnn9, 10) + 2 * 256
