"""The source of training images: an image set of any kind, decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from arcface_plus.data.images import UndecodableImage, decode
from data_prep.crop_size import SIDE
from data_prep.errors import DataError
from data_prep.image_sets import ImageSet, open_image_set
from data_prep.shared_images import shared_images

_DECODING = 1  # increase when `decode` changes the pixels


class TrainingImages(Protocol):
    """What the loader needs of a training set: `Source`, or the split of a classification set.

    Attributes: see `Source`.
    """

    labels: NDArray[np.int64]
    class_names: dict[int, str]
    size: tuple[int, int]

    @property
    def classes(self) -> int: ...

    @property
    def folder(self) -> Path: ...

    @property
    def name(self) -> str: ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8]: ...

    def fingerprint(self) -> str: ...


class Source:
    """The images of a set as pixels, each with its class.

    Attributes:
        labels: (n,) int64.
        classes: one more than the largest label.
        class_names: class → name, for classes that have one.
        folder: where files that belong to the set are kept.
        name: the prefix of their names.
        size: height and width of every image.

    Raises:
        DataError: the set has no classes, or is incomplete.
    """

    def __init__(self, images: ImageSet) -> None:
        images.require_classes()
        self._images = images
        self.labels, self.classes = images.labels, images.classes
        self.class_names = images.class_names
        self.folder, self.name = images.folder, images.stem
        self.size = (SIDE, SIDE)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> NDArray[np.uint8]:
        """The decoded image `index`: (112, 112, 3) uint8 RGB; DataError naming it otherwise.

        Any number of threads may call it.
        """
        try:
            return decode(self._images.read(index))
        except UndecodableImage as error:
            raise DataError(f"{self._images.place(index)} {error}") from None

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the images, their order or the decoder."""
        # Another OpenCV may decode to other pixels.
        digest = hashlib.blake2b(f"{_DECODING} opencv {cv2.__version__} ".encode(), digest_size=8)
        for stamp in self._images.stamps():
            digest.update(stamp)
        return digest.hexdigest()

    def digest(self) -> str:
        """`ImageSet.digest`, a hash of what training uses; equal for a copy of the set."""
        return self.digest_and_shared({})[0]

    def digest_and_shared(
        self, others: Mapping[str, Sequence[bytes]]
    ) -> tuple[str, dict[str, int]]:
        """The digest, and how many distinct images of each of `others` are in the set.

        others: name → encoded images. Both results come from one pass over the images.
        """
        excerpts = self._images.excerpts()
        shared = {
            name: shared_images(self._images, excerpts, images) for name, images in others.items()
        }
        return self._images.digest(excerpts), shared


def open_source(path: Path) -> Source:
    """The training set at `path`: a .rec, tar shards or a folder; else DataError."""
    return Source(open_image_set(path))
