"""The only way from encoded bytes to network input: decode, RGB, normalize, flip.

Training, verification, export and matching all use it, so they cannot differ.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.image_container import container_damage
from data_prep.image_header import image_header
from data_prep.images import decode_unchecked

MEAN = 127.5
SCALE = 127.5


class UndecodableImage(ValueError):
    """The bytes are not an image, or not one of 112×112; the message says which."""


def decode(encoded: bytes) -> NDArray[np.uint8]:
    """Encoded image → (112, 112, 3) uint8 RGB; UndecodableImage if that is not possible.

    An image whose header gives another size is rejected without decoding: a few kilobytes can
    decode to gigabytes. OpenCV releases the GIL here, so threads decode in parallel.
    """
    header = image_header(encoded)
    if header is not None and header[1:] != (SIDE, SIDE):
        raise _other_size(header.width, header.height)
    # Checked first: OpenCV fills the rest of a truncated JPEG with grey and trusts headers.
    damage = container_damage(encoded)
    if damage is not None:
        raise UndecodableImage(f"cannot be decoded: {damage}")
    image = decode_unchecked(encoded)
    if image is None:
        raise UndecodableImage("cannot be decoded: corrupt pixels")
    if image.shape != (SIDE, SIDE, 3):
        raise _other_size(image.shape[1], image.shape[0])
    return image


def _other_size(width: int, height: int) -> UndecodableImage:
    return UndecodableImage(
        f"is {width}×{height}, not {SIDE}×{SIDE} (`arcface-plus data align` makes such crops)"
    )


def normalize(images: torch.Tensor, mean: float = MEAN, scale: float = SCALE) -> torch.Tensor:
    """(n, 112, 112, 3) uint8 → (n, 3, 112, 112) float32, by default in [−1, 1]; same device.

    The result has channels_last strides; the caller decides whether to copy it. Only third-party
    networks need another mean and scale (`arcface_plus.embedder.feeding`).
    """
    return images.permute(0, 3, 1, 2).to(torch.float32).sub_(mean).div_(scale)


def flip(images: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Mirror those of (n, 112, 112, 3) uint8 images for which `which` (n,) bool is set."""
    return torch.where(which[:, None, None, None], images.flip(2), images)


def mirror(images: NDArray[np.uint8], which: NDArray[np.bool_]) -> None:
    """`flip` in place, on the CPU: 20 times as fast as slicing with a step of -1."""
    for place in np.flatnonzero(which).tolist():
        cv2.flip(images[place], 1, images[place])


def normalize_into(images: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """Bit-identical to `normalize`, into (n, 112, 112, 3) float32 of any strides.

    For a few images, both passes work within the processor's cache; for a whole batch they do not.
    """
    np.subtract(images, np.float32(MEAN), out=out)
    np.divide(out, np.float32(SCALE), out=out)
