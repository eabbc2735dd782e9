"""Where training images come from: a .rec or a folder of class folders, behind one interface."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from arcface_plus.data.images import UndecodableImage, decode
from data_prep.class_names import read_class_names
from data_prep.errors import DataError
from data_prep.recordio import RecordReader
from data_prep.training_set import read_index

_DECODING = 1  # to be raised when `decode` gives other pixels
_PLACES, _PLACE = 64, 4096  # how many bytes of a .rec its fingerprint looks at
EXCERPT = 64  # bytes from the middle of each image, which its corners do not have in common
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class Source(Protocol):
    """n encoded images with their classes; `image` may be called from any thread."""

    labels: NDArray[np.int64]
    classes: int
    class_names: dict[int, str]  # of those that have one
    folder: Path  # where the images lie
    name: str  # what they are called there

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8]:
        """The decoded image `index`: (112, 112, 3) uint8 RGB; DataError naming it otherwise."""
        ...

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the images, their order or the decoder."""
        ...

    def digest(self) -> str:
        """32 hexadecimal digits of what training sees: labels, images and their order.

        Neither place nor time of change count: a copy of the set has the same digest.
        """
        ...


class RecordSource:
    """A RecordIO training set."""

    def __init__(self, path: Path) -> None:
        self.folder, self.name = path.parent, path.stem
        self._reader = RecordReader(path)
        index = read_index(self._reader)
        self._keys, self.labels, self.classes = index.keys, index.labels, index.classes
        self.class_names = read_class_names(self.folder)

    def __len__(self) -> int:
        return len(self._keys)

    def image(self, index: int) -> NDArray[np.uint8]:
        key = int(self._keys[index])
        try:
            return decode(self._reader[key].image)
        except UndecodableImage as error:
            at = f"{self._reader.path}: record {key} at byte {self._reader.offset(key)}"
            raise DataError(f"{at} {error}") from None

    def fingerprint(self) -> str:
        """Of the index, the .rec's size and time of change, and 64 places spread over it."""
        status = os.stat(self._reader.path)
        digest = _digest(status.st_size, status.st_mtime_ns)
        for part in (self._keys, self._reader.keys, self._reader.offsets):
            digest.update(np.ascontiguousarray(part, "<i8").data)
        with open(self._reader.path, "rb") as file:
            for at in np.linspace(0, max(0, status.st_size - _PLACE), _PLACES).astype(int):
                digest.update(os.pread(file.fileno(), _PLACE, int(at)))
        return digest.hexdigest()

    def digest(self) -> str:
        """A second or two for half a million images: of each, its length and a few bytes."""
        starts, lengths = self._reader.extents(self._keys)
        with open(self._reader.path, "rb") as file:
            middles = (starts + lengths // 2).tolist()
            excerpts = b"".join(os.pread(file.fileno(), EXCERPT, at) for at in middles)
        return content_digest(self.labels, lengths, excerpts)


class FolderSource:
    """A folder of class folders; classes are numbered in the order of their names."""

    def __init__(self, path: Path) -> None:
        self.folder, self.name = path, "images"
        self._files: list[Path] = []
        labels: list[int] = []
        classes = 0
        self.class_names = {}
        for folder in sorted(child for child in path.iterdir() if child.is_dir()):
            files = sorted(f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
            self._files += files
            labels += [classes] * len(files)
            if files:
                self.class_names[classes] = folder.name
                classes += 1
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

    def fingerprint(self) -> str:
        """Of every file's name, size and time of change."""
        digest = _digest(len(self._files))
        for file in self._files:
            status = file.stat()
            name = file.relative_to(self.folder)
            digest.update(
                f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(
                    "utf-8", "surrogateescape"
                )
            )
        return digest.hexdigest()

    def digest(self) -> str:
        lengths = np.empty(len(self._files), np.int64)
        excerpts = []
        for i, path in enumerate(self._files):
            with open(path, "rb", buffering=0) as file:
                lengths[i] = os.fstat(file.fileno()).st_size
                excerpts.append(os.pread(file.fileno(), EXCERPT, int(lengths[i]) // 2))
        return content_digest(self.labels, lengths, b"".join(excerpts))


def content_digest(labels: NDArray[np.int64], lengths: NDArray[np.int64], excerpts: bytes) -> str:
    """32 hexadecimal digits of labels, image lengths and what stands in each image's middle."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (labels, lengths):
        digest.update(np.ascontiguousarray(part, "<i8").data)
    digest.update(excerpts)
    return digest.hexdigest()


def _digest(*numbers: int) -> hashlib.blake2b:
    """A hash that already knows what decodes: another OpenCV may decode to other pixels."""
    about = f"{_DECODING} opencv {cv2.__version__} {numbers}"
    return hashlib.blake2b(about.encode(), digest_size=8)


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
