"""Images of any size as squares of one size, as ImageNet is fed to networks.

Krizhevsky et al. (2012): the shorter side is scaled to 256, and the square in the middle is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.labelled_images.base import LabelledImages, Pixels


class _View(LabelledImages):
    """The images of a set in another form: `side`×`side`."""

    def __init__(self, images: LabelledImages, side: int) -> None:
        super().__init__(images.path, images.split, images.labels, images.class_names, (side, side))
        self._images, self._side = images, side

    def stamps(self) -> Iterator[bytes]:
        yield from self._images.stamps()
        yield f"{self.kind} {self._side}".encode()

    def contents(self) -> Iterator[bytes]:
        yield from self._images.contents()
        yield f"{self.kind} {self._side}".encode()


class Squares(_View):
    """Each image scaled so that its shorter side is `side`, and cut; they may differ in size.

    Scaled down by averaging (OpenCV's INTER_AREA), up bilinearly.
    """

    kind = described = "squares"

    def image(self, index: int) -> Pixels:
        image = self._images.original(index)
        height, width = image.shape[:2]
        shorter = min(height, width)
        if shorter != self._side:
            scale = self._side / shorter
            size = (max(self._side, round(width * scale)), max(self._side, round(height * scale)))
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
        return _middle(image, self._side)


class Middles(_View):
    """The square of `side`×`side` in the middle of each image: the single view of tests."""

    kind = described = "middles"

    def __init__(self, images: LabelledImages, side: int) -> None:
        if side > min(images.size):
            height, width = images.size
            raise ValueError(f"a square of {side} is larger than images of {width}×{height}")
        super().__init__(images, side)

    def image(self, index: int) -> Pixels:
        return _middle(self._images.image(index), self._side)


def single_view(images: LabelledImages, resize: int | None, crop: int | None) -> LabelledImages:
    """The images as they are tested: squares of `resize`, then their middles of `crop`.

    Raises:
        ValueError: see `Middles`.
    """
    if resize is not None:
        images = Squares(images, resize)
    return images if crop is None else Middles(images, crop)


def _middle(image: NDArray[np.uint8], side: int) -> Pixels:
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]
