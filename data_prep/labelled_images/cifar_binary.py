"""CIFAR-10 and CIFAR-100 as their official binary versions.

An image is its label (CIFAR-100: coarse, then fine label), a byte each, and its planes. A text file
has the names of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class _BinaryFiles(CifarFiles):
    """The last of so many label bytes is the class."""

    label_bytes: int

    def read_names(self, file: Path) -> list[str]:
        lines = read_file(file).decode("utf-8", "surrogateescape").splitlines()
        names = [printable(line.strip()) for line in lines if line.strip()]
        if not 2 <= len(names) <= 256:
            raise DataError(f"{file}: names {len(names)} classes, not between 2 and 256")
        return names

    def read_batch(self, file: Path, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        row = self.label_bytes + IMAGE_BYTES
        data = read_file(file)
        if not data or len(data) % row:
            raise DataError(
                f"{file}: {len(data)} bytes are not a number of images of {row} bytes each; "
                "download it again"
            )
        rows = np.frombuffer(data, np.uint8).reshape(-1, row)
        labels = rows[:, self.label_bytes - 1].astype(np.int64)
        check_labels(file, labels, classes)
        return from_planes(rows[:, self.label_bytes :]), labels


class CifarBinary(Cifar):
    """Images 32×32 of 10 or 100 (fine) classes."""

    kind = "CIFAR, binary version"
    described = "data_batch_1.bin … or train.bin, with the names file (CIFAR's binary version)"
    data_sets = (
        _BinaryFiles(
            {
                "train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
                "test": ("test_batch.bin",),
            },
            "batches.meta.txt",
            1,
        ),
        _BinaryFiles({"train": ("train.bin",), "test": ("test.bin",)}, "fine_label_names.txt", 2),
    )
