"""The widths of layers, and how their weights begin."""

from __future__ import annotations

from torch import nn

_STD = 0.02


def scaled(channels: int, width: float) -> int:
    """`channels` times a factor, rounded, at least one."""
    return max(1, round(channels * width))


def initialize(network: nn.Module) -> None:
    """Draw all weights from N(0, 0.02²) within two deviations; biases are 0. As the public code."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=_STD, a=-2 * _STD, b=2 * _STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
