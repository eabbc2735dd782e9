"""InsightFace's training set: train.rec, train.idx and property, on top of RecordIO.

Record 0 has no image; its two labels are [N + 1, N + 1 + C]: images are keys 1 … N, and keys
N + 1 … N + C are one per class, with labels [first key, one past the last key]. A file without such
a record 0 (plain im2rec) is read too: there every key is an image.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.errors import DataError
from data_prep.recordio import RecordReader, RecordWriter

EXACT_LABELS = 1 << 24  # float32 holds every integer up to here
_PROPERTY_LIMIT = 1000  # characters of a property file that are looked at
_PROPERTY_NUMBER = re.compile(r"\s*[0-9]{1,9}\s*")


@dataclass(frozen=True)
class TrainingIndex:
    """Which records are images and whose: `keys` and `labels` are (n,) int64."""

    keys: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: int


def image_keys(reader: RecordReader) -> NDArray[np.int64]:
    """The keys that hold images, by record 0 where there is one, otherwise all of them."""
    if 0 not in reader:
        return reader.keys
    first = reader[0]
    if first.image or isinstance(first.label, float):
        return reader.keys
    announced = float(first.label[0])
    if not 1 <= announced <= 2 * EXACT_LABELS or announced != int(announced):
        raise DataError(
            f"{reader.path}: record 0 announces images up to key {announced:g} (exclusive), which "
            "cannot be; copy the set again or repair it"
        )
    end = int(announced)
    present = reader.keys[(reader.keys >= 1) & (reader.keys < end)]
    if len(present) < end - 1:
        expected = np.arange(1, len(present) + 1)
        gap = np.flatnonzero(np.sort(present) != expected)
        missing = int(expected[gap[0]]) if len(gap) else len(present) + 1
        raise DataError(
            f"{reader.path}: record 0 announces images 1 to {end - 1}, but "
            f"{reader.index_path.name} lacks record {missing} (incomplete copy?)"
        )
    return np.arange(1, end, dtype=np.int64)


def read_index(reader: RecordReader) -> TrainingIndex:
    """Keys, labels and class count of a training set; DataError if the labels make no sense."""
    keys = image_keys(reader)
    if not len(keys):
        raise DataError(f"{reader.path}: holds no images")
    raw = reader.first_labels(keys)
    wrong = np.flatnonzero(~((raw >= 0) & (raw < EXACT_LABELS) & (raw == np.floor(raw))))
    if len(wrong):
        key, value = int(keys[wrong[0]]), float(raw[wrong[0]])
        raise DataError(f"{reader.path}: record {key} has label {value:g}, not a class index")
    labels = raw.astype(np.int64)
    classes = int(labels.max()) + 1
    promised = read_property(reader.path.parent / "property")
    if promised is not None and promised < classes:
        key = int(keys[int(labels.argmax())])
        raise DataError(
            f"{reader.path}: record {key} has label {classes - 1}, but property says {promised} "
            f"classes (labels 0 to {promised - 1}); correct property or pack the set again"
        )
    return TrainingIndex(keys, labels, classes)


def read_property(path: Path) -> int | None:
    """The class count of a property file (`classes,height,width`), None where it is absent."""
    numbers = _property(path)
    return numbers[0] if numbers else None


def read_size(path: Path) -> tuple[int, int] | None:
    """Height and width of a set's images by its property file, None where it is absent."""
    numbers = _property(path)
    return (numbers[1], numbers[2]) if numbers else None


def _property(path: Path) -> list[int]:
    if not path.is_file():
        return []
    with open(path, encoding="ascii", errors="replace") as file:
        words = file.read(_PROPERTY_LIMIT).strip().split(",")
    if len(words) != 3 or not all(_PROPERTY_NUMBER.fullmatch(word) for word in words):
        raise DataError(f"{path}: expected `classes,height,width`, found {','.join(words)[:60]!r}")
    return [int(word) for word in words]


class TrainingSetWriter:
    """Writes InsightFace's layout in one pass: ``add(label, image)`` with labels 0, 0, 1, 1, 2 …

    Only three numbers per class are kept in memory. The files appear when it closes cleanly.
    """

    def __init__(
        self, directory: str | os.PathLike[str], size: tuple[int, int] = (SIDE, SIDE)
    ) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._size = size
        self._writer = RecordWriter(self.directory / "train.rec")
        self._writer.write(0, b"", [0.0, 0.0])
        self._next_key = 1
        self._first_keys: list[int] = []

    def add(self, label: int, image: bytes) -> None:
        """Append one encoded image; labels ascend from 0 without a gap."""
        known = len(self._first_keys)
        if label not in (known - 1, known):
            raise DataError(f"label {label} out of order: expected {known} next")
        if self._next_key + label + 2 > EXACT_LABELS:  # what record 0 says next: keys and classes
            raise DataError(f"{self.directory}: over 2^24 records, where the layout is not exact")
        if label == known:
            self._first_keys.append(self._next_key)
        self._writer.write(self._next_key, image, float(label))
        self._next_key += 1

    def close(self) -> None:
        """Write the class records, fill record 0 in, write property."""
        if not self._first_keys:
            self._writer.abandon()
            raise DataError(f"{self.directory}: no images, so no training set was written")
        classes, end = len(self._first_keys), self._next_key
        bounds = [*self._first_keys, end]
        for label in range(classes):
            self._writer.write(end + label, b"", [bounds[label], bounds[label + 1]])
        self._writer.overwrite(0, 0, [end, end + classes])
        height, width = self._size
        # A former set stops to be readable before anything of it is replaced; the new .idx is last.
        (self.directory / "train.idx").unlink(missing_ok=True)
        (self.directory / "property").write_text(f"{classes},{height},{width}\n", encoding="ascii")
        self._writer.close()

    def __enter__(self) -> TrainingSetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._writer.abandon()
