"""CNN-6, 9, 15 of the MHE paper's Table 11, and its authors' public code."""

from __future__ import annotations

import pytest
import torch
from classification_networks import parameters, shapes
from torch import nn

from arcface_plus.models.networks.cnn import CNN, cnn6, cnn9, cnn15, mnist_2d


@pytest.mark.parametrize(("make", "count"), [(cnn6, 2), (cnn9, 3), (cnn15, 5)])
def test_table_11(make: type[CNN], count: int) -> None:
    network = make()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64] * count + [128] * count + [256] * count
    assert all(c.kernel_size == (3, 3) and c.bias is None for c in convolutions)
    assert network.fc.weight.shape == (256, 256 * 4 * 4)
    assert network.fc.bias is None
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 3 * count
    assert shapes(network) == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]


def test_parameters_of_cnn_9_counted_from_the_public_code() -> None:
    """Filters, gamma and beta of each convolution, fc6 and score; no bias anywhere."""
    filters = 9 * (3 * 64 + 2 * 64**2 + 64 * 128 + 2 * 128**2 + 128 * 256 + 2 * 256**2)
    norms = 2 * 3 * (64 + 128 + 256)
    published = filters + norms + 4 * 4 * 256 * 256 + 256 * 100
    assert parameters(cnn9, 100, bias=False) == published == 2_995_520


@pytest.mark.parametrize("width", [16, 32, 128, 256])
def test_widths_of_table_2(width: int) -> None:
    with torch.device("meta"):
        network = cnn9(width=width)
    assert [s[0].out_channels for s in network.stages] == [width, 2 * width, 4 * width]
    assert network.embedding_dim == 256


def test_digits_end_at_the_same_side_as_cifar() -> None:
    network = mnist_2d(width=4)
    assert network.side == 28
    assert shapes(network) == [(4, 14, 14), (8, 7, 7), (16, 4, 4)]
    assert network(torch.randn(3, 3, 28, 28)).shape == (3, 2)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 6


@pytest.mark.parametrize("wrong", [{"width": 0}, {"embedding_dim": 0}, {"side": 7}])
def test_invalid_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        cnn9(**wrong)
