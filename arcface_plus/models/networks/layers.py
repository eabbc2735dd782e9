"""What the classification networks share: their input check, initialization and global pooling."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from arcface_plus.models.precision import at_least_float32


def check_side(side: int, at_least: int) -> None:
    """Raise ``ValueError`` unless images of this side leave a pixel after the last stage."""
    if side < at_least:
        raise ValueError(f"images of {side}×{side} are too small: at least {at_least}×{at_least}")


def check_images(images: Tensor, side: int) -> None:
    """Raise ``ValueError`` unless ``images`` is (n, 3, side, side)."""
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side):
        raise ValueError(f"images must be (n, 3, {side}, {side}), not {tuple(images.shape)}")


def conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias (a batch norm follows) that keeps the side, or divides it."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)


def he_initialize(network: nn.Module, mode: Literal["fan_in", "fan_out"]) -> None:
    """Draw all convolutions and linear layers from N(0, 2 / fan); set their biases to 0.

    He et al., "Delving Deep into Rectifiers", 2015: equation 10 is fan_in, equation 14 fan_out.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def global_average(maps: Tensor) -> Tensor:
    """(n, c, h, w) → (n, c), at least float32."""
    return at_least_float32(maps).mean(dim=(2, 3))
