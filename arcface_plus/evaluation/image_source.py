"""What `embed` embeds: a folder, a list of files, one file, a .rec or a .bin, image by image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.align.landmarks import split_fields
from data_prep.collection import Folder, Pairs, Records, open_collection, read_file
from data_prep.errors import DataError
from data_prep.images import is_image_name

_COLLECTIONS = (".rec", ".idx", ".bin")
_LINE_LIMIT = 1 << 16


@dataclass(frozen=True, eq=False)
class ImageSource(Sequence[bytes]):
    """Encoded images, read when they are asked for.

    names: what to call each: its path (relative to the folder, as written in a list), "record 17",
        "pair 3, image 1".
    labels: (n,) int64 class of each image, None where the source knows none.
    class_names: label → name, where classes have names.
    same: (n/2,) bool for a pair file: do images 2k and 2k + 1 show one person; otherwise None.
    """

    path: Path
    names: list[str]
    read: Callable[[int], bytes]
    labels: NDArray[np.int64] | None = None
    class_names: dict[int, str] | None = None
    same: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # slices: nobody asks
        return self.read(index)

    def part(self, start: int, stop: int) -> ImageSource:
        """Images start … stop − 1, without labels."""
        return ImageSource(self.path, self.names[start:stop], lambda i: self.read(start + i))

    def name(self, index: int) -> str:
        """Image `index` for a message."""
        return f"{self.path}: {self.names[index]}"


def open_source(path: Path) -> ImageSource:
    """SRC of `embed`; DataError (one line) if it is missing, empty or none of the kinds."""
    if path.is_dir() or path.suffix in _COLLECTIONS:
        return _of_collection(open_collection(path))
    if not path.is_file():
        raise DataError(f"{path}: no such folder, list, image, .rec or .bin")
    if is_image_name(path.name):
        return ImageSource(path, [str(path)], lambda _: read_file(path))
    return _of_list(path)


def _of_collection(found: Records | Pairs | Folder) -> ImageSource:
    names = [found.name(i) for i in range(len(found))]
    if isinstance(found, Pairs):
        return ImageSource(found.path, names, found.read, same=found.same)
    if isinstance(found, Folder):
        if set(found.class_names.values()) == {""}:  # images side by side in no class folder
            return ImageSource(found.path, names, found.read)
        return ImageSource(found.path, names, found.read, found.labels, found.class_names)
    raw = found.reader.first_labels(found.keys)
    known = bool(np.isfinite(raw).all() and (raw == np.floor(raw)).all())
    labels = raw.astype(np.int64) if known else None
    return ImageSource(found.path, names, found.read, labels, found.class_names or None)


def _of_list(path: Path) -> ImageSource:
    """A path a line, with or without a label behind it; paths are relative to the list's folder."""
    names: list[str] = []
    labels: list[str] = []
    for where, name, label in _lines(path):
        if names and (label is None) != (not labels):
            raise DataError(f"{where}: labels must stand in all lines or in none")
        names.append(name)
        if label is not None:
            labels.append(label)
    if not names:
        raise DataError(f"{path}: no images in it; wanted: a path, and perhaps a label, a line")
    files = [os.path.join(path.parent, name) for name in names]
    if not labels:
        return ImageSource(path, names, lambda i: read_file(files[i]))
    numbers, class_names = _numbered(labels)
    return ImageSource(path, names, lambda i: read_file(files[i]), numbers, class_names)


def _lines(path: Path) -> Iterator[tuple[str, str, str | None]]:
    with open(path, "rb") as file:
        number = 0
        while raw := file.readline(_LINE_LIMIT):
            number += 1
            where = f"{path}: line {number}"
            line = raw.decode("utf-8-sig", "surrogateescape").strip()
            if len(raw) == _LINE_LIMIT or "\0" in line:
                raise DataError(f"{where} is no text; is this a list of images?")
            if not line:
                continue
            name, label = _path_and_label(line, where)
            if number > 1 or is_image_name(name):  # the first may name the columns
                yield where, name, label


def _path_and_label(line: str, where: str) -> tuple[str, str | None]:
    """A line that ends like an image's name is a path alone, whatever blanks or commas are in it.

    Otherwise the label stands behind a tab, comma or semicolon, or else behind the last blank.
    """
    if is_image_name(line):
        return line, None
    spaced = not any(separator in line for separator in "\t,;")
    fields = line.rsplit(None, 1) if spaced else split_fields(line, where)
    if len(fields) == 1:
        return fields[0], None
    if len(fields) != 2 or not all(fields):
        raise DataError(f"{where}: wanted: a path, and perhaps a label")
    return fields[0], fields[1]


def _numbered(labels: list[str]) -> tuple[NDArray[np.int64], dict[int, str] | None]:
    """Whole numbers as they are; names are numbered as they first appear."""
    if all(label.isascii() and label.isdigit() and len(label) < 19 for label in labels):
        return np.array([int(label) for label in labels], np.int64), None
    number: dict[str, int] = {}
    found = [number.setdefault(label, len(number)) for label in labels]
    return np.array(found, np.int64), {k: name for name, k in number.items()}
