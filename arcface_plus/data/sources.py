"""Where training images come from: a .rec or a folder of class folders, behind one interface."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arcface_plus.data.images import UndecodableImage, decode
from data_prep.errors import DataError
from data_prep.recordio import RecordReader
from data_prep.training_set import read_index

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class Source(Protocol):
    """n encoded images with their classes; `image` may be called from any thread."""

    labels: NDArray[np.int64]
    classes: int

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8]:
        """The decoded image `index`: (112, 112, 3) uint8 RGB; DataError naming it otherwise."""
        ...


class RecordSource:
    """A RecordIO training set."""

    def __init__(self, path: Path) -> None:
        self._reader = RecordReader(path)
        index = read_index(self._reader)
        self._keys, self.labels, self.classes = index.keys, index.labels, index.classes

    def __len__(self) -> int:
        return len(self._keys)

    def image(self, index: int) -> NDArray[np.uint8]:
        key = int(self._keys[index])
        try:
            return decode(self._reader[key].image)
        except UndecodableImage as error:
            at = f"{self._reader.path}: record {key} at byte {self._reader.offset(key)}"
            raise DataError(f"{at} {error}") from None


class FolderSource:
    """A folder of class folders; classes are numbered in the order of their names."""

    def __init__(self, path: Path) -> None:
        self._files: list[Path] = []
        labels: list[int] = []
        classes = 0
        for folder in sorted(child for child in path.iterdir() if child.is_dir()):
            files = sorted(f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
            self._files += files
            labels += [classes] * len(files)
            classes += bool(files)
        if not self._files:
            raise DataError(f"{path}: no train.rec and no class folders with images in it")
        self.labels = np.array(labels, np.int64)
        self.classes = classes

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> NDArray[np.uint8]:
        try:
            return decode(self._files[index].read_bytes())
        except UndecodableImage as error:
            raise DataError(f"{self._files[index]}: {error}") from None


def open_source(path: Path) -> Source:
    """A .rec file, a folder that holds train.rec, or a folder of class folders."""
    if path.is_dir():
        record_file = path / "train.rec"
        return RecordSource(record_file) if record_file.is_file() else FolderSource(path)
    if not path.exists():
        raise DataError(f"{path}: no such training data (data.train: a .rec or a folder)")
    if path.suffix != ".rec":
        raise DataError(f"{path}: expected a .rec file or a folder (data.train)")
    return RecordSource(path)
