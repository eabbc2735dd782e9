"""What the official versions of CIFAR-10 and CIFAR-100 have in common.

Krizhevsky, www.cs.toronto.edu/~kriz/cifar.html: files of batches for each split, one more file with
the names of the classes, and each image as planes of 32×32 bytes: red, green and blue.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.labelled_images.base import PixelArray, Split

SIDE = 32
IMAGE_BYTES = 3 * SIDE * SIDE


@dataclass(frozen=True)
class CifarFiles(ABC):
    """The files of one data set in one version, and how they are read."""

    batches: dict[Split, tuple[str, ...]]
    names_file: str

    def are_in(self, path: Path) -> bool:
        """Whether the folder has the first batch and the names of the classes."""
        return all((path / f).is_file() for f in (self.names_file, self.batches["train"][0]))

    @abstractmethod
    def read_names(self, file: Path) -> list[str]:
        """The names of the classes; DataError if there are none."""

    @abstractmethod
    def read_batch(self, file: Path, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """(n, 32, 32, 3) pixels and n labels below `classes`; DataError for anything else."""


class Cifar(PixelArray):
    """Images 32×32 of 10 or 100 (fine) classes, in one of the official versions."""

    data_sets: ClassVar[tuple[CifarFiles, ...]]

    def __init__(self, path: Path, split: Split) -> None:
        files = next(files for files in self.data_sets if files.are_in(path))
        names = files.read_names(path / files.names_file)
        batches = [files.read_batch(path / file, len(names)) for file in files.batches[split]]
        pixels = np.concatenate([images for images, _ in batches])
        labels = np.concatenate([classes for _, classes in batches])
        super().__init__(path, split, pixels, labels, dict(enumerate(names)))

    @classmethod
    def matches(cls, path: Path) -> bool:
        return any(files.are_in(path) for files in cls.data_sets)


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
