"""Measures of a classification network for its tests."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def parameters(make: Callable[[], nn.Module], classes: int, bias: bool = True) -> int:
    """How many a network has, with the linear layer for so many classes; made without memory."""
    with torch.device("meta"):
        network = make()
    outputs = classes * (network.embedding_dim + bias)
    return sum(p.numel() for p in network.parameters()) + outputs


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    """(c, h, w) after each of the network's units."""
    found: list[tuple[int, ...]] = []
    for unit in network.units():
        unit.register_forward_hook(lambda _m, _i, out: found.append(tuple(out.shape[1:])))
    network.eval()(torch.randn(1, 3, network.side, network.side))
    return found
