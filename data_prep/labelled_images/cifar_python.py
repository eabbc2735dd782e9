"""CIFAR-10 and CIFAR-100 as their official Python versions: folders of pickles.

Krizhevsky, www.cs.toronto.edu/~kriz/cifar.html: each batch is a dict with `data`, (n, 3072) bytes
(red, green and blue planes of 32×32), and `labels` or `fine_labels`. A pickle is a program:
`restricted_pickle` reads it and runs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError, printable
from data_prep.files import read_file
from data_prep.labelled_images.base import PixelArray, Split
from data_prep.restricted_pickle import CIFAR_BATCH, PickledArray, load

SIDE = 32
IMAGE_BYTES = 3 * SIDE * SIDE
_SIZE_LIMIT = 1 << 30


class _Version(NamedTuple):
    """Which files a version has, and under which keys."""

    batches: dict[str, tuple[str, ...]]
    names_file: str
    names: str
    labels: str


_VERSIONS = (
    _Version(
        {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
        "batches.meta",
        "label_names",
        "labels",
    ),
    _Version({"train": ("train",), "test": ("test",)}, "meta", "fine_label_names", "fine_labels"),
)


class CifarPython(PixelArray):
    """Images 32×32 of 10 or 100 (fine) classes."""

    kind = "CIFAR, Python version"
    described = "data_batch_1 … or train, with their meta file (CIFAR's Python version)"

    def __init__(self, path: Path, split: Split) -> None:
        version = _version_in(path)
        assert version is not None  # as `matches` has found
        names = _class_names(path / version.names_file, version.names)
        batches = [
            _read_batch(path / file, version.labels, len(names)) for file in version.batches[split]
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


def from_planes(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 3072) planes → (n, 32, 32, 3)."""
    return np.ascontiguousarray(planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def check_labels(file: Path, labels: NDArray[np.int64], classes: int) -> None:
    """DataError at the first label that is no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise DataError(
            f"{file}: image {wrong[0]} has label {labels[wrong[0]]}, "
            f"but there are {classes} classes"
        )


def _load(file: Path) -> dict[str, Any]:
    """A pickled dict, its keys as text."""
    if file.is_file() and file.stat().st_size > _SIZE_LIMIT:
        raise DataError(f"{file}: over 1 GiB, too large for a CIFAR batch")
    try:
        content = load(read_file(file), CIFAR_BATCH)
    except DataError as error:
        text = str(error)
        raise DataError(text if text.startswith(f"{file}: ") else f"{file}: {text}") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: holds a {type(content).__name__}, not the dict of a CIFAR file")
    return {_text(key): value for key, value in content.items() if isinstance(key, str | bytes)}


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def _class_names(file: Path, key: str) -> list[str]:
    names = _load(file).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise DataError(f"{file}: has no list of names {key}")
    if len(names) < 2:
        raise DataError(f"{file}: {key} names {len(names)} classes, fewer than two")
    return [printable(_text(name)) for name in names]


def _read_batch(file: Path, key: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    content = _load(file)
    data, labels = content.get("data"), content.get(key)
    planes: NDArray[Any] = data.array() if isinstance(data, PickledArray) else np.empty(0)
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[1] != IMAGE_BYTES:
        raise DataError(f"{file}: its data are no (n, {IMAGE_BYTES}) array of bytes")
    if isinstance(labels, PickledArray):
        labels = labels.array().ravel().tolist()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{file}: has no list of whole numbers {key}")
    if len(labels) != len(planes):
        raise DataError(f"{file}: {len(labels)} labels for {len(planes)} images")
    found = np.array(labels, np.int64)
    check_labels(file, found, classes)
    return from_planes(planes), found
