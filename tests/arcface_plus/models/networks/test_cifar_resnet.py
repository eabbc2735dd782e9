"""ResNet-20, 32, 56: published sizes, shapes, and the two kinds of shortcut."""

from __future__ import annotations

import pytest
import torch
from classification_networks import parameters, shapes
from torch import nn

from arcface_plus.models.networks.cifar_resnet import (
    CifarResNet,
    ResidualUnit,
    resnet20,
    resnet32,
    resnet56,
)


@pytest.mark.parametrize(
    ("make", "published", "exact"),
    [(resnet20, 0.27, 269_722), (resnet32, 0.46, 464_154), (resnet56, 0.85, 853_018)],
)
def test_parameters(make: type[CifarResNet], published: float, exact: int) -> None:
    """He et al., Table 6, in millions; the exact numbers are those of public implementations."""
    assert parameters(make, 10) == exact
    assert round(exact / 1e6, 2) == published


def test_sides_and_channels() -> None:
    assert shapes(resnet20()) == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3


def test_the_mhe_papers_resnet_32_is_four_times_as_wide() -> None:
    network = resnet32(width=64)
    channels = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert channels == [64] * 11 + [128] * 10 + [256] * 10
    assert network.embedding_dim == 256


def test_depth_counts_weighted_layers_without_projections() -> None:
    for make, depth in ((resnet20, 20), (resnet32, 32), (resnet56, 56)):
        layers = [m for m in make().modules() if isinstance(m, nn.Conv2d)]
        assert len(layers) + 1 == depth  # and the classifier
        assert len([m for m in make(shortcut="projection").modules() if isinstance(m, nn.Conv2d)]) \
            == depth + 1  # fmt: skip


def silenced(shortcut: str) -> ResidualUnit:
    """A unit from 2 to 4 channels whose residual branch is 0."""
    unit = ResidualUnit(2, 4, 2, shortcut).eval()
    nn.init.zeros_(unit.conv2.weight)
    return unit


def test_the_identity_takes_every_second_pixel_and_adds_zero_channels() -> None:
    x = torch.rand(1, 2, 6, 6)
    out = silenced("identity")(x)
    assert torch.equal(out[:, :2], x[:, :, ::2, ::2])
    assert not out[:, 2:].any()


def test_the_projection_is_a_convolution_with_batch_norm() -> None:
    x, unit = torch.rand(1, 2, 6, 6), silenced("projection")
    expected = torch.relu(unit.projection[1](unit.projection[0](x)))
    assert torch.equal(unit(x), expected)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"shortcut": "none"}])
def test_invalid_parameters(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        resnet20(**wrong)
