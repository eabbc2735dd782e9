"""CIFAR-10 and CIFAR-100 as their official Python versions: folders of pickles.

Each batch is a dict with `data`, (n, 3072) bytes, and `labels` or `fine_labels`. A pickle is a
program: `restricted_pickle` reads it and runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError, printable
from data_prep.files import read_file
from data_prep.labelled_images.cifar import (
    IMAGE_BYTES,
    Cifar,
    CifarFiles,
    check_labels,
    from_planes,
)
from data_prep.restricted_pickle import CIFAR_BATCH, PickledArray, load

_SIZE_LIMIT = 1 << 30


@dataclass(frozen=True)
class _PythonFiles(CifarFiles):
    """Under which keys the names of the classes and the labels are."""

    names: str
    labels: str

    def read_names(self, file: Path) -> list[str]:
        names = _load(file).get(self.names)
        if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
            raise DataError(f"{file}: has no list of names {self.names}")
        if len(names) < 2:
            raise DataError(f"{file}: {self.names} names {len(names)} classes, fewer than two")
        return [printable(_text(name)) for name in names]

    def read_batch(self, file: Path, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        content = _load(file)
        data, labels = content.get("data"), content.get(self.labels)
        planes: NDArray[Any] = data.array() if isinstance(data, PickledArray) else np.empty(0)
        if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[1] != IMAGE_BYTES:
            raise DataError(f"{file}: its data are no (n, {IMAGE_BYTES}) array of bytes")
        if isinstance(labels, PickledArray):
            labels = labels.array().ravel().tolist()
        if not isinstance(labels, list) or not all(type(label) is int for label in labels):
            raise DataError(f"{file}: has no list of whole numbers {self.labels}")
        if len(labels) != len(planes):
            raise DataError(f"{file}: {len(labels)} labels for {len(planes)} images")
        found = np.array(labels, np.int64)
        check_labels(file, found, classes)
        return from_planes(planes), found


class CifarPython(Cifar):
    """Images 32×32 of 10 or 100 (fine) classes."""

    kind = "CIFAR, Python version"
    described = "data_batch_1 … or train, with their meta file (CIFAR's Python version)"
    data_sets = (
        _PythonFiles(
            {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
            "batches.meta",
            "label_names",
            "labels",
        ),
        _PythonFiles(
            {"train": ("train",), "test": ("test",)}, "meta", "fine_label_names", "fine_labels"
        ),
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
