"""One view of everything that holds face crops: a .rec, a .bin of pairs, or a folder of images.

`data inspect`, `data check` and `data extract` see images by number, whatever they lie in.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data_prep.class_names import read_class_names
from data_prep.errors import DataError
from data_prep.image_header import FORMATS
from data_prep.images import is_image_name, walk_files
from data_prep.pairs import read_pairs
from data_prep.recordio import RecordReader
from data_prep.training_set import image_keys


class Collection(Protocol):
    """Images 0 … n − 1 with their bytes and what to call them in a message."""

    path: Path
    kind: str  # "record file", "pair file" or "folder"

    def __len__(self) -> int: ...

    def read(self, i: int) -> bytes:
        """Encoded image i. DataError if it cannot be had. Any number of threads may call it."""
        ...

    def name(self, i: int) -> str:
        """Image i for a person: `record 17`, `pair 3, image 1`, `anna/1.jpg`."""
        ...


@dataclass
class Records:
    """The images of a .rec; `note` says what is wrong with its own count of them, if anything."""

    path: Path
    reader: RecordReader
    keys: NDArray[np.int64]
    note: str = ""
    class_names: dict[int, str] = field(default_factory=dict)
    kind: str = "record file"

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, i: int) -> bytes:
        return self.reader[int(self.keys[i])].image

    def read_with_label(self, i: int) -> tuple[bytes, float]:
        """Encoded image i and its label, the first one where it is a vector."""
        record = self.reader[int(self.keys[i])]
        label = record.label
        return record.image, label if isinstance(label, float) else float(label[0])

    def name(self, i: int) -> str:
        return f"record {self.keys[i]}"


@dataclass
class Pairs:
    """The images of a .bin: pair k is images 2k and 2k + 1; `same` is (P,) bool."""

    path: Path
    images: list[bytes]
    same: NDArray[np.bool_]
    kind: str = "pair file"

    def __len__(self) -> int:
        return len(self.images)

    def read(self, i: int) -> bytes:
        return self.images[i]

    def name(self, i: int) -> str:
        return f"pair {i // 2}, image {i % 2}"


@dataclass
class Folder:
    """A tree of image files: the first folder of a path is its class, as `data pack` sees it."""

    path: Path
    names: list[str]  # relative to path, with "/"
    labels: NDArray[np.int64]  # (n,)
    class_names: dict[int, str]
    other_files: int
    kind: str = "folder"

    def __len__(self) -> int:
        return len(self.names)

    def read(self, i: int) -> bytes:
        return read_file(f"{self.path}/{self.names[i]}")

    def name(self, i: int) -> str:
        return self.names[i]


def read_file(path: str | Path) -> bytes:
    """The bytes of a file; DataError names it."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def open_collection(path: str | os.PathLike[str]) -> Records | Pairs | Folder:
    """Open PATH: a .rec, a .bin, a folder with train.rec in it, or a folder tree of images.

    Raises DataError if it is none of these or its index cannot be read. A .rec whose record 0 is
    wrong is opened all the same, with a note.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "train.rec").is_file():
            return _open_records(path / "train.rec")
        return _open_folder(path)
    if path.suffix in (".rec", ".idx"):
        return _open_records(path.with_suffix(".rec"))
    if path.suffix == ".bin":
        return Pairs(path, *read_pairs(path))
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    raise DataError(f"{path}: neither a .rec, a .bin nor a folder")


def _open_records(path: Path) -> Records:
    reader = RecordReader(path)
    names = read_class_names(path.parent)
    try:
        return Records(path, reader, image_keys(reader), class_names=names)
    except DataError as error:
        note = str(error).removeprefix(f"{path}: ")
        return Records(path, reader, _keys_with_images(reader), note, names)


def _keys_with_images(reader: RecordReader) -> NDArray[np.int64]:
    """Where record 0 is no help: all keys but those of records that were made without an image."""

    def is_image(key: int) -> bool:
        try:
            return bool(reader[key].image)
        except DataError:
            return True  # a broken record counts as a broken image

    return np.array([key for key in reader.keys.tolist() if key and is_image(key)], np.int64)


def _open_folder(path: Path) -> Folder:
    names: list[str] = []
    labels: list[int] = []
    classes: dict[str, int] = {}
    others = 0
    for folder, files in walk_files(path):
        images = [name for name in files if is_image_name(name)]
        others += len(files) - len(images)
        if images:
            label = classes.setdefault(folder.split("/")[0], len(classes))
            names += [f"{folder}/{name}" if folder else name for name in images]
            labels += [label] * len(images)
    if not names:
        raise DataError(f"{path}: holds neither train.rec nor images ({FORMATS})")
    of_index = {label: name for name, label in classes.items()}
    return Folder(path, names, np.array(labels, np.int64), of_index, others)
