"""The images of a .rec, with its .idx, property and labels.json beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.class_names import read_class_names
from data_prep.crop_size import SIDE
from data_prep.errors import DataError
from data_prep.image_sets.base import Excerpts, ImageSet, excerpt, excerpt_span
from data_prep.recordio import RecordReader
from data_prep.training_set import image_keys, read_index, read_property, read_size

_PLACES, _PLACE = 64, 4096  # how many bytes of a .rec its stamps look at


class RecordFile(ImageSet):
    """A RecordIO training set. One whose record 0 is wrong opens all the same, with a note."""

    kind = "record file"
    described = "a .rec"

    def __init__(self, path: Path) -> None:
        record_file = path / "train.rec" if path.is_dir() else path.with_suffix(".rec")
        super().__init__(record_file, read_class_names(record_file.parent))
        self._reader = RecordReader(record_file)
        try:
            self._announced: NDArray[np.int64] | None = image_keys(self._reader)
        except DataError as error:
            self._announced = None
            self.note = str(error).removeprefix(f"{record_file}: ")

    @classmethod
    def matches(cls, path: Path) -> bool:
        if path.is_dir():
            return (path / "train.rec").is_file()
        return path.suffix in (".rec", ".idx")

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        return _keys_with_images(self._reader) if self._announced is None else self._announced

    def __len__(self) -> int:
        return len(self._keys)

    def read(self, i: int) -> bytes:
        return self._reader[int(self._keys[i])].image

    def read_with_label(self, i: int) -> tuple[bytes, float]:
        """As stored; the first label where it is a vector."""
        record = self._reader[int(self._keys[i])]
        label = record.label
        return record.image, label if isinstance(label, float) else float(label[0])

    def name(self, i: int) -> str:
        return f"record {self._keys[i]}"

    def place(self, i: int) -> str:
        key = int(self._keys[i])
        return f"{self.path}: record {key} at byte {self._reader.offset(key)}"

    def number(self, i: int) -> int:
        return int(self._keys[i])

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        return read_index(self._reader).labels

    @property
    def promised_classes(self) -> int | None:
        return read_property(self.folder / "property")

    @property
    def size(self) -> tuple[int, int]:
        return read_size(self.folder / "property") or (SIDE, SIDE)

    @property
    def bytes_on_disk(self) -> int:
        return self._reader.size

    def stamps(self) -> Iterator[bytes]:
        """Of the index, the .rec's size and time of change, and 64 places spread over it."""
        status = os.stat(self.path)
        yield str((status.st_size, status.st_mtime_ns)).encode()
        for part in (self._keys, self._reader.keys, self._reader.offsets):
            yield np.ascontiguousarray(part, "<i8").tobytes()
        with open(self.path, "rb") as file:
            for at in np.linspace(0, max(0, status.st_size - _PLACE), _PLACES).astype(int):
                yield os.pread(file.fileno(), _PLACE, int(at))

    def excerpts(self) -> Excerpts:
        """A second or two for half a million images: heads all at once, then a few bytes each."""
        starts, lengths = self._reader.image_extents(self._keys)
        extents = zip(starts.tolist(), lengths.tolist(), strict=True)
        pieces = []
        with open(self.path, "rb") as file:
            for i, (start, length) in enumerate(extents):
                if start < 0:  # in several parts; or broken, which `read` will say
                    image = self.read(i)
                    lengths[i] = len(image)
                    pieces.append(excerpt(image))
                else:
                    begin, end = excerpt_span(length)
                    pieces.append(os.pread(file.fileno(), end - begin, start + begin))
        return lengths, b"".join(pieces)


def _keys_with_images(reader: RecordReader) -> NDArray[np.int64]:
    """Where record 0 is no help: all keys but those of records that were made without an image."""

    def is_image(key: int) -> bool:
        try:
            return bool(reader[key].image)
        except DataError:
            return True  # a broken record counts as a broken image

    return np.array([key for key in reader.keys.tolist() if key and is_image(key)], np.int64)
