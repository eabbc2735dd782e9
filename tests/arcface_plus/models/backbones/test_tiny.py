"""The demonstration network: small, with the documented side at each stage, trainable."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.backbones.mobilefacenet import MobileFaceNet
from arcface_plus.models.backbones.tiny import Residual, Tiny


def test_sides_and_widths_after_each_stage() -> None:
    network = Tiny(width=0.25).eval()
    shapes: list[tuple[int, ...]] = []
    for unit in network.units():
        unit.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.randn(2, 3, 112, 112)).shape == (2, 512)
    assert shapes == [(8, 28, 28), (16, 14, 14), (16, 14, 14), (32, 7, 7), (32, 7, 7)]


def multiply_adds(network: torch.nn.Module) -> int:
    """Of one image, counted at every convolution and linear layer."""
    counted = [0]

    def count(layer: torch.nn.Module, _: object, out: torch.Tensor) -> None:
        counted[0] += layer.weight[0].numel() * out.numel()

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    network.eval()(torch.randn(1, 3, 112, 112))
    return counted[0]


def test_it_costs_a_sixth_of_mobilefacenet() -> None:
    assert round(multiply_adds(Tiny()) / 1e6) == 38
    assert round(multiply_adds(MobileFaceNet()) / multiply_adds(Tiny())) == 6


def test_a_residual_unit_adds_its_input() -> None:
    unit = Residual(4).eval()
    torch.nn.init.zeros_(unit.layers[1].weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(unit(x), x)


def test_the_last_layers_are_float32_under_autocast() -> None:
    network = Tiny(16, width=0.25)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = network(torch.randn(4, 3, 112, 112))
    assert embeddings.dtype == torch.float32
    embeddings.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("width", [0.0, -1.0, 4.1, float("nan")])
def test_invalid_widths(width: float) -> None:
    with pytest.raises(ValueError, match="width must be above 0 and at most 4"):
        Tiny(width=width)
