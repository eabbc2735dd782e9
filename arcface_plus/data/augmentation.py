"""Crop, resize, mirror and cut out a batch of images on its device, in a few kernels.

Which crop, mirror image and square each image gets is decided elsewhere (`order`), so that results
depend neither on the device nor on the number of processes. Everything works on pixels: what lies
outside of an image is black (0), before any normalization, as in torchvision's RandomCrop.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Padding = Literal["zero", "symmetric"]


def pad_crop_mirror(
    images: Tensor, offsets: Tensor, flips: Tensor, pad: int, padding: Padding = "zero"
) -> Tensor:
    """Pad each image by `pad` on each side, crop it to its size, then mirror some.

    Args:
        images: (n, h, w, c) of any dtype.
        offsets: (n, 2) int64, row and column of the padded image where the crop begins, 0 … 2·pad.
        flips: (n,) bool, which crops are mirrored left to right.
        padding: zero, or symmetric: the image mirrored at its edge, the edge's pixels repeated
            (NumPy's "symmetric", in the public code of the MHE paper).

    Returns:
        (n, h, w, c), same dtype and device.

    Raises:
        ValueError: symmetric padding wider than the image.
    """
    n, height, width, _ = images.shape
    if padding == "symmetric" and pad > min(height, width):
        raise ValueError(f"symmetric padding by {pad} is wider than images of {width}×{height}")
    rows = _from(offsets[:, 0] - pad, height)
    columns = _from(offsets[:, 1] - pad, width)
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    every = torch.arange(n, device=images.device)[:, None, None]
    if padding == "symmetric":
        rows, columns = _reflected(rows, height), _reflected(columns, width)
        return images[every, rows[:, :, None], columns[:, None, :]]
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    cropped = images[every, rows[:, :, None], columns[:, None, :]]
    return cropped * inside[..., None]


def resized_crop_mirror(images: Tensor, boxes: Tensor, flips: Tensor, side: int) -> Tensor:
    """Scale a part of each image to `side`×`side`, bilinearly, then mirror some.

    Args:
        images: (n, h, w, c) of any dtype.
        boxes: (n, 4) int64, top, left, height and width of each part.
        flips: (n,) bool, which results are mirrored left to right.

    Returns:
        (n, side, side, c) float32, same device. As torchvision's resized_crop with antialias=False:
        images much larger than `side` are to be made smaller before.
    """
    n = len(images)
    every = torch.arange(n, device=images.device)[:, None]
    above, below, down = _between(boxes[:, 0], boxes[:, 2], side)
    left, right, across = _between(boxes[:, 1], boxes[:, 3], side)
    left, right = (torch.where(flips[:, None], x.flip(1), x) for x in (left, right))
    across = torch.where(flips[:, None], across.flip(1), across)

    def pixels(rows: Tensor, columns: Tensor) -> Tensor:
        return images[every[:, :, None], rows[:, :, None], columns[:, None, :]].float()

    across, down = across[:, None, :, None], down[:, :, None, None]
    upper = torch.lerp(pixels(above, left), pixels(above, right), across)
    lower = torch.lerp(pixels(below, left), pixels(below, right), across)
    return torch.lerp(upper, lower, down)


def _between(first: Tensor, length: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where `side` points lie in each part (n,) → (n, side): the pixel before, the one after, and
    the weight of the latter."""
    centres = torch.arange(side, device=first.device, dtype=torch.float32) + 0.5
    places = (centres * (length[:, None] / side) - 0.5).clamp(min=0.0)
    before = places.floor().long()
    after = torch.minimum(before + 1, length[:, None] - 1)
    return first[:, None] + before, first[:, None] + after, places - before


def cut_out(images: Tensor, centres: Tensor, side: int) -> Tensor:
    """Make a square of each image black: (n, h, w, c) → the same shape and dtype.

    centres: (n, 2) int64, row and column; the square begins side // 2 before it and may reach
    beyond the image (DeVries and Taylor, "Improved Regularization … with Cutout", 2017).
    """
    _, height, width, _ = images.shape
    first = centres - side // 2
    rows = _within(_from(-first[:, 0], height), side)
    columns = _within(_from(-first[:, 1], width), side)
    return images * ~(rows[:, :, None] & columns[:, None, :])[..., None]


def _from(first: Tensor, count: int) -> Tensor:
    """(n,) → (n, count): first, first + 1, …"""
    return first[:, None] + torch.arange(count, device=first.device)


def _within(indices: Tensor, size: int) -> Tensor:
    return (indices >= 0) & (indices < size)


def _reflected(indices: Tensor, size: int) -> Tensor:
    """Indices −size … 2·size − 1 mirrored at both edges: −1 is 0, size is size − 1."""
    indices = torch.where(indices < 0, -1 - indices, indices)
    return torch.where(indices >= size, 2 * size - 1 - indices, indices)
