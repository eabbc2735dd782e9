"""CIFAR-10 and CIFAR-100 as their official binary versions.

Krizhevsky, www.cs.toronto.edu/~kriz/cifar.html: an image is its label (CIFAR-100: coarse, then fine
label), a byte each, and 3072 bytes: red, green and blue planes of 32×32. A text file has the
names of the classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError, printable
from data_prep.files import read_file
from data_prep.labelled_images.base import PixelArray, Split
from data_prep.labelled_images.cifar_python import IMAGE_BYTES, check_labels, from_planes


class _Version(NamedTuple):
    """Which files a version has; the last of so many label bytes is the class."""

    batches: dict[str, tuple[str, ...]]
    names_file: str
    label_bytes: int


_VERSIONS = (
    _Version(
        {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)},
        "batches.meta.txt",
        1,
    ),
    _Version({"train": ("train.bin",), "test": ("test.bin",)}, "fine_label_names.txt", 2),
)


class CifarBinary(PixelArray):
    """Images 32×32 of 10 or 100 (fine) classes."""

    kind = "CIFAR, binary version"
    described = "data_batch_1.bin … or train.bin, with the names file (CIFAR's binary version)"

    def __init__(self, path: Path, split: Split) -> None:
        version = _version_in(path)
        assert version is not None  # as `matches` has found
        names = _class_names(path / version.names_file)
        batches = [
            _read_batch(path / file, version.label_bytes, len(names))
            for file in version.batches[split]
        ]
        pixels = np.concatenate([images for images, _ in batches])
        labels = np.concatenate([classes for _, classes in batches])
        super().__init__(path, split, pixels, labels, dict(enumerate(names)))

    @classmethod
    def matches(cls, path: Path) -> bool:
        return _version_in(path) is not None


def _version_in(path: Path) -> _Version | None:
    for version in _VERSIONS:
        if all((path / f).is_file() for f in (version.names_file, version.batches["train"][0])):
            return version
    return None


def _class_names(file: Path) -> list[str]:
    lines = read_file(file).decode("utf-8", "surrogateescape").splitlines()
    names = [printable(line.strip()) for line in lines if line.strip()]
    if not 2 <= len(names) <= 256:
        raise DataError(f"{file}: names {len(names)} classes, not between 2 and 256")
    return names


def _read_batch(
    file: Path, label_bytes: int, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    row = label_bytes + IMAGE_BYTES
    data = read_file(file)
    if not data or len(data) % row:
        raise DataError(
            f"{file}: {len(data)} bytes are not a number of images of {row} bytes each; "
            "download it again"
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, row)
    labels = rows[:, label_bytes - 1].astype(np.int64)
    check_labels(file, labels, classes)
    return from_planes(rows[:, label_bytes:]), labels
