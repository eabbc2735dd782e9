"""SphereFace's networks against the layers that their authors published."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.backbones.sphereface import SphereFaceNet, sphereface20, sphereface64


def _weights(units: tuple[int, ...], columns: int) -> int:
    """Parameters, layer by layer, of the published .prototxt with biases that are learned."""
    count, before = 0, 3
    for width, number in zip((64, 128, 256, 512), units, strict=True):
        count += 9 * before * width + width + width  # strided convolution, its bias, PReLU
        count += number * 2 * (9 * width * width + width)
        before = width
    return count + 512 * 7 * (columns // 16) * 512 + 512


@pytest.mark.parametrize("columns", [96, 112])
@pytest.mark.parametrize(
    ("name", "units", "convolutions"),
    [("sphereface20", (1, 2, 4, 1), 20), ("sphereface64", (3, 7, 16, 3), 62)],
)
def test_layers_are_the_published_ones(
    name: str, units: tuple[int, ...], convolutions: int, columns: int
) -> None:
    with torch.device("meta"):
        network = BACKBONES[name](columns=columns)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == convolutions
    assert sum(p.numel() for p in network.parameters()) == _weights(units, columns)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_each_stage_halves_the_side() -> None:
    network = sphereface20(columns=96).eval()
    sides: list[tuple[int, ...]] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _m, _i, out: sides.append(tuple(out.shape[1:])))
    assert network(torch.randn(2, 3, 112, 112)).shape == (2, 512)
    assert sides == [(64, 56, 48), (128, 28, 24), (256, 14, 12), (512, 7, 6)]


def test_96_columns_are_the_middle_ones() -> None:
    torch.manual_seed(0)
    network = sphereface20(64, columns=96).eval()
    images = torch.randn(1, 3, 112, 112)
    other = images.clone()
    other[..., :8] = 9.0
    other[..., 104:] = -9.0
    assert torch.equal(network(images), network(other))
    other[..., 8] = 9.0
    assert not torch.equal(network(images), network(other))


def test_initial_weights_have_the_published_scale() -> None:
    torch.manual_seed(0)
    network = sphereface20(64)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan = 9 * (module.in_channels + module.out_channels)
            expected = 0.01 if module.stride == (1, 1) else (2.0 / fan) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.1)


def test_units_are_all_blocks_from_input_to_output() -> None:
    with torch.device("meta"):
        network = sphereface64()
    assert isinstance(network, SphereFaceNet)
    assert len(network.units()) == 4 + 29


def test_other_columns_are_an_error() -> None:
    with pytest.raises(ValueError, match="columns must be 96 or 112, not 100"):
        sphereface20(columns=100)  # type: ignore[arg-type]
