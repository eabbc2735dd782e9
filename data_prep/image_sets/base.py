"""What every kind of image set offers to training and to the tools, whatever its images lie in."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.errors import DataError

EXCERPT = 64  # bytes from the middle of each image, which its corners do not have in common
Excerpts = tuple[NDArray[np.int64], bytes]
"""Length of each image, (n,) int64, and the `excerpt` of each, joined."""


class ImageSet(ABC):
    """Encoded images 0 … n − 1 with their classes, or with the pairs that they make.

    A kind of set is a subclass in a file of its own and a line in `KINDS` (`__init__.py`). Callers
    ask a set for what they need, never for its kind.

    Attributes:
        path: what was opened, as messages name it.
        class_names: class → name, of the classes that have one.
        same: (n/2,) bool where images 2k and 2k + 1 are a pair; None where images have classes.
        note: what is wrong with the set's own account of its images, "" if nothing. Such a set can
            be looked at and repaired, not trained on.
        other_files: files that lie among the images and are none by their names.
    """

    kind: ClassVar[str]  # "record file": what a person calls it
    described: ClassVar[str]  # "a .rec": what to give a command to get one
    each_is_a_file: ClassVar[bool] = False  # whether each image has a file of its own already

    def __init__(self, path: Path, class_names: dict[int, str] | None = None) -> None:
        self.path = path
        self.class_names = class_names or {}
        self.same: NDArray[np.bool_] | None = None
        self.note = ""
        self.other_files = 0

    @classmethod
    @abstractmethod
    def matches(cls, path: Path) -> bool:
        """Whether `path` is a set of this kind, told from its name and what lies there."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, i: int) -> bytes:
        """Encoded image i; DataError if it cannot be had. Any number of threads may call it."""

    @abstractmethod
    def name(self, i: int) -> str:
        """Image i for a person who knows the set: `record 17`, `anna/1.jpg`."""

    def place(self, i: int) -> str:
        """Image i for a person who does not: with its file and, inside of one, its byte offset."""
        return f"{self.path}: {self.name(i)}"

    def number(self, i: int) -> int:
        """The number under which the set keeps image i."""
        return i

    @property
    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """Class of each image, (n,) int64; of a pair file, the pair. DataError for nonsense."""

    def read_with_label(self, i: int) -> tuple[bytes, float]:
        """Image i and its label as it is stored, which may be no class index; DataError as read."""
        return self.read(i), float(self.labels[i])

    @property
    def classes(self) -> int:
        """One more than the largest label."""
        return int(self.labels.max()) + 1

    @property
    def promised_classes(self) -> int | None:
        """How many classes the set says it has; None where it says nothing."""
        return None

    @property
    def has_classes(self) -> bool:
        """Whether the set says anything about who is who, as opposed to a heap of images."""
        return self.same is None

    def require_classes(self) -> None:
        """DataError unless every image is there and has a class: what training and packing need."""
        if self.note:
            raise DataError(f"{self.path}: {self.note}; `data check` says what is left")
        if self.same is not None:
            raise DataError(
                f"{self.path}: a pair file says who is the same, not who it is; give a set with "
                "classes (a .rec, tar shards or a folder of class folders)"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that every image must have; 0, 0 where any will do."""
        return SIDE, SIDE

    @property
    def folder(self) -> Path:
        """Where files that go with the set belong."""
        return self.path.parent

    @property
    def stem(self) -> str:
        """What the names of files that go with the set begin with."""
        return self.path.stem

    @property
    def bytes_on_disk(self) -> int | None:
        """Size of the set's files; None where that would take a look at every image."""
        return None

    @abstractmethod
    def stamps(self) -> Iterator[bytes]:
        """What changes when images, their order or their files do; told without reading them."""

    def excerpts(self) -> Excerpts:
        """What `digest` looks at; 72 bytes an image."""
        images = [self.read(i) for i in range(len(self))]
        lengths = np.array([len(image) for image in images], np.int64)
        return lengths, b"".join(map(excerpt, images))

    def digest(self, excerpts: Excerpts | None = None) -> str:
        """32 hexadecimal digits of what training sees: labels, images and their order.

        Neither kind, place nor time of change count: a copy of the set has the same digest, and so
        have the files that `data extract` makes of it. DataError naming an image that is not there.
        `excerpts`: what `excerpts()` returned, where it has been asked already.
        """
        lengths, joined = excerpts or self.excerpts()
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.labels, lengths):
            digest.update(np.ascontiguousarray(part, "<i8").data)
        digest.update(joined)
        return digest.hexdigest()


def excerpt(image: bytes) -> bytes:
    """What a digest looks at of an image: up to 64 bytes from its middle."""
    return image[slice(*excerpt_span(len(image)))]


def excerpt_span(length: int) -> tuple[int, int]:
    """Where the excerpt of an image of so many bytes begins and ends."""
    middle = length // 2
    return middle, min(middle + EXCERPT, length)
