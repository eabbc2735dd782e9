"""The images of a .bin, which are pairs of one person or of two."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.image_sets.base import ImageSet
from data_prep.pairs import read_pairs


class PairFile(ImageSet):
    """An evaluation file, in memory: pair k is images 2k and 2k + 1."""

    kind = "pair file"
    described = "a .bin"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._images, self.same = read_pairs(path)

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.suffix == ".bin" and not path.is_dir()

    def __len__(self) -> int:
        return len(self._images)

    def read(self, i: int) -> bytes:
        return self._images[i]

    def name(self, i: int) -> str:
        return f"pair {i // 2}, image {i % 2}"

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.arange(len(self), dtype=np.int64) // 2

    @property
    def bytes_on_disk(self) -> int:
        return os.stat(self.path).st_size

    def stamps(self) -> Iterator[bytes]:
        status = os.stat(self.path)
        yield str((status.st_size, status.st_mtime_ns)).encode()
