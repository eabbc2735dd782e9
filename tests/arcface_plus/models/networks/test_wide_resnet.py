"""WRN-16-8 and WRN-28-10: published sizes, shapes, and the pre-activation unit."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from classification_networks import parameters, shapes
from torch import nn

from arcface_plus.models.networks.wide_resnet import PreActivationUnit, WideResNet


@pytest.mark.parametrize(
    ("depth", "widen", "published", "exact"),
    [(16, 8, 11.0, 10_961_370), (28, 10, 36.5, 36_479_194), (40, 4, 8.9, 8_949_210)],
)
def test_parameters(depth: int, widen: int, published: float, exact: int) -> None:
    """Zagoruyko and Komodakis, Table 4, in millions."""
    assert parameters(partial(WideResNet, depth=depth, widen=widen), 10) == exact
    assert round(exact / 1e6, 1) == published


def test_sides_and_channels() -> None:
    network = WideResNet(depth=16, widen=2)
    assert shapes(network) == [(32, 32, 32)] * 2 + [(64, 16, 16)] * 2 + [(128, 8, 8)] * 2
    assert network.embedding_dim == 128


def test_a_unit_with_new_channels_projects_what_is_already_activated() -> None:
    unit = PreActivationUnit(2, 4, 2).eval()
    nn.init.zeros_(unit.conv2.weight)
    nn.init.uniform_(unit.bn1.bias)
    x = torch.randn(1, 2, 6, 6)
    assert torch.equal(unit(x), unit.projection(F.relu(unit.bn1(x))))


def test_a_unit_with_the_same_channels_adds_its_input_untouched() -> None:
    unit = PreActivationUnit(4, 4, 1).eval()
    nn.init.zeros_(unit.conv2.weight)
    x = torch.randn(1, 4, 6, 6)
    assert torch.equal(unit(x), x)


@pytest.mark.parametrize("wrong", [{"depth": 27}, {"depth": 4}, {"widen": 0}])
def test_invalid_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        WideResNet(**wrong)
