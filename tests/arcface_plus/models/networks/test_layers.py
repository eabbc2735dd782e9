"""Input checks, He initialization and global pooling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from arcface_plus.models.networks.layers import (
    check_images,
    check_side,
    conv,
    global_average,
    he_initialize,
)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 20 * 9), ("fan_out", 80 * 9)])
def test_convolutions_have_the_standard_deviation_of_the_fan(mode: str, fan: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(conv(20, 80), nn.BatchNorm2d(80))
    he_initialize(network, mode)  # type: ignore[arg-type]
    assert network[0].weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.03)
    assert network[0].weight.mean().item() == pytest.approx(0, abs=3e-3)
    assert torch.equal(network[1].weight, torch.ones(80))


def test_linear_layers_start_without_bias() -> None:
    network = nn.Linear(7, 1000)
    he_initialize(network, "fan_in")
    assert not network.bias.any()
    assert network.weight.std().item() == pytest.approx(math.sqrt(2 / 7), rel=0.05)


def test_a_convolution_keeps_or_halves_the_side() -> None:
    x = torch.randn(1, 3, 10, 10)
    assert conv(3, 5)(x).shape == (1, 5, 10, 10)
    assert conv(3, 5, 1, 2)(x).shape == (1, 5, 5, 5)
    assert conv(3, 5).bias is None


def test_global_average_is_float32() -> None:
    maps = torch.randn(2, 3, 4, 5, dtype=torch.bfloat16)
    average = global_average(maps)
    assert average.dtype == torch.float32
    assert torch.allclose(average, maps.float().flatten(2).mean(2))
    assert global_average(maps.double()).dtype == torch.float64


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 1, 8, 8), (2, 3, 8, 9), (2, 3, 9, 9)])
def test_images_of_another_shape(shape: tuple[int, ...]) -> None:
    check_images(torch.empty(2, 3, 8, 8), 8)
    with pytest.raises(ValueError, match=r"images must be \(n, 3, 8, 8\), not \("):
        check_images(torch.empty(shape), 8)


def test_sides_that_leave_nothing() -> None:
    check_side(8, 8)
    with pytest.raises(ValueError, match="7×7 are too small: at least 8×8"):
        check_side(7, 8)
