"""RecordIO (.rec with its .idx): reader and writer, without MXNet.

A .rec file is a sequence of parts: magic, a word (3 bits of flag, 29 bits of length), the payload,
zeros up to a multiple of four bytes. A record is one whole part, or several where its payload
contained the magic on a four-byte boundary: the writer drops those four bytes and splits there, the
reader puts them back. A record's payload is a 24-byte header, `flag` float32 labels if flag > 0,
and the encoded image. The .idx file is text, one `key<TAB>byte offset` per line.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.record_index import read_record_index

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_PART = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_WHOLE, _FIRST, _MIDDLE, _LAST = 0, 1, 2, 3
_LENGTH_BITS = 29
_PLAIN_HEADER = 36  # part head, header and one label of a vector: where a label can be
_FIRST_READ = 1 << 16  # at most: one system call fetches a whole face crop
_RECORD_LIMIT = 1 << _LENGTH_BITS  # bytes of a payload, split or not; MXNet refuses more


@dataclass(frozen=True)
class Record:
    """One record: `label` is a float, or a float32 array where the header counts labels."""

    label: float | NDArray[np.float32]
    image: bytes
    id: int = 0
    id2: int = 0


class RecordReader:
    """Random access to `path` (a .rec with its .idx beside it): ``reader[key] -> Record``.

    Opening reads only the .idx. Reading is one or two `pread` calls, so any number of threads may
    share a reader. Raises DataError naming file, key and byte offset for anything wrong.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.index_path = self.path.with_suffix(".idx")
        for needed in (self.path, self.index_path):
            if not needed.is_file():
                raise DataError(f"{needed}: no such file (a .rec needs its .idx beside it)")
        self.keys, self.offsets = read_record_index(self.index_path)
        self._order = np.argsort(self.keys, kind="stable")
        self._sorted_keys = self.keys[self._order]
        repeated = np.flatnonzero(np.diff(self._sorted_keys) == 0)
        if len(repeated):
            raise DataError(f"{self.index_path}: key {self._sorted_keys[repeated[0]]} occurs twice")
        self._first_key = int(self.keys[0]) if len(self) else 0
        self._file = open(self.path, "rb")  # noqa: SIM115  (lives as long as the reader)
        self.size = os.fstat(self._file.fileno()).st_size
        self._lengths = _lengths(self.offsets, self.size)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: int) -> bool:
        at = int(np.searchsorted(self._sorted_keys, key))
        return at < len(self) and int(self._sorted_keys[at]) == key

    def __getitem__(self, key: int) -> Record:
        place = self._place(key)
        payload = self._payload(key, int(self.offsets[place]), int(self._lengths[place]))
        if len(payload) < _HEADER.size:
            raise self._broken(key, f"only {len(payload)} bytes, a header needs {_HEADER.size}")
        flag, label, id_, id2 = _HEADER.unpack_from(payload)
        end = _HEADER.size + 4 * flag
        if end > len(payload):
            raise self._broken(key, f"claims {flag} labels but has {len(payload)} bytes")
        if flag == 0:
            return Record(float(label), bytes(payload[end:]), id_, id2)
        labels = np.frombuffer(payload, "<f4", flag, _HEADER.size).astype(np.float32)
        return Record(labels, bytes(payload[end:]), id_, id2)

    def offset(self, key: int) -> int:
        """The byte offset of record `key`; DataError if there is no such record."""
        return int(self.offsets[self._place(key)])

    def _place(self, key: int) -> int:
        """The line of the .idx that has `key`, counted from 0."""
        if 0 <= (at := key - self._first_key) < len(self) and self.keys[at] == key:
            return at  # consecutive keys, as everybody writes them
        at = int(np.searchsorted(self._sorted_keys, key))
        if at == len(self) or int(self._sorted_keys[at]) != key:
            span = f"{self._sorted_keys[0]} to {self._sorted_keys[-1]}" if len(self) else "none"
            raise DataError(f"{self.path}: no record {key} (the .idx has keys {span})")
        return int(self._order[at])

    def first_labels(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """The label of each record, the first one where it is a vector: (n,) float32.

        Touches only the headers, all at once, which takes milliseconds for CASIA's half million.
        """
        offsets = self.offsets[self._order[np.searchsorted(self._sorted_keys, keys)]]
        result = np.empty(len(keys), np.float32)
        plain = (offsets % 4 == 0) & (offsets + _PLAIN_HEADER <= self.size)
        if plain.any():
            words = np.memmap(self.path, "<u4", "r", shape=(self.size // 4,))
            at = np.where(plain, offsets // 4, offsets[plain][0] // 4)
            plain &= words[at] == MAGIC
            plain &= (words[at + 1] & ((1 << _LENGTH_BITS) - 1)) >= _PLAIN_HEADER - _PART.size
            at = at[plain]
            result[plain] = words[at + np.where(words[at + 2] > 0, 8, 3)].view("<f4")
        for i in np.flatnonzero(~plain):  # tiny, split in the header, or broken: the careful way
            label = self[int(keys[i])].label
            result[i] = label if isinstance(label, float) else label[0]
        return result

    def extents(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each record starts and how many bytes lie before the next one, (n,) int64 both."""
        places = self._order[np.searchsorted(self._sorted_keys, keys)]
        starts = self.offsets[places]
        ends = np.append(np.unique(self.offsets), self.size)
        return starts, ends[np.searchsorted(ends, starts, side="right")] - starts

    def _payload(self, key: int, offset: int, guess: int) -> memoryview:
        """Join the parts of the record that starts at `offset`; `guess` bytes may do."""
        parts: list[memoryview] = []
        expected = (_WHOLE, _FIRST)
        # What was read of the file, and where it begins.
        chunk, start = self._read(key, offset, _PART.size, guess), offset
        while True:
            at = offset - start
            if at + _PART.size > len(chunk):
                chunk, start, at = self._read(key, offset, _PART.size, _FIRST_READ), offset, 0
            magic, word = _PART.unpack_from(chunk, at)
            flag, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
            if magic != MAGIC:
                raise self._broken(key, f"no RecordIO magic at byte {offset}")
            if flag not in expected:
                raise self._broken(key, f"part at byte {offset} has flag {flag}, out of order")
            at += _PART.size
            part = chunk[at : at + length]
            if len(part) < length:
                part = self._read(key, offset + _PART.size, length, length)
            parts.append(part)
            if flag in (_WHOLE, _LAST):
                return part if flag == _WHOLE else memoryview(_MAGIC_BYTES.join(parts))
            expected = (_MIDDLE, _LAST)
            offset += _PART.size + (length + 3 & ~3)

    def _read(self, key: int, offset: int, at_least: int, at_most: int) -> memoryview:
        available = self.size - offset
        if offset < 0 or available < at_least:
            raise self._broken(
                key, f"needs {at_least} bytes at byte {offset}, the file ends at {self.size}"
            )
        data = os.pread(self._file.fileno(), min(available, at_most), offset)
        if len(data) < at_least:
            raise self._broken(key, f"the file shrank while it was read (byte {offset})")
        return memoryview(data)  # slices of it are no copies

    def _broken(self, key: int, why: str) -> DataError:
        return DataError(f"{self.path}: record {key} at byte {self.offset(key)} is broken: {why}")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RecordWriter:
    """Writes `path` (.rec) and its .idx under temporary names; they appear on a clean close.

    Use as a context manager: an exception inside leaves nothing behind that looks whole.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix != ".rec":
            raise DataError(f"{self.path}: a RecordIO file must be named *.rec")
        self._partial = self.path.with_name(f".{self.path.name}.partial")
        self._partial_index = self.path.with_name(f".{self.path.stem}.idx.partial")
        self._file = open(self._partial, "w+b")  # noqa: SIM115
        self._index = open(self._partial_index, "w", encoding="ascii")  # noqa: SIM115
        self._last_key = -1
        self._position = 0

    def write(
        self, key: int, image: bytes, label: float | Sequence[float] | NDArray[np.generic] = 0.0
    ) -> int:
        """Append one record, keys ascending; returns its byte offset. Labels become float32."""
        if key <= self._last_key:
            raise DataError(f"{self.path}: key {key} after key {self._last_key}; keys must ascend")
        data = _encode(_payload(key, image, label))
        offset = self._position
        self._file.write(data)
        self._index.write(f"{key}\t{offset}\n")
        self._last_key = key
        self._position += len(data)
        return offset

    def overwrite(self, offset: int, key: int, label: Sequence[float]) -> None:
        """Replace the imageless record at `offset` by one of the same size.

        InsightFace's record 0 comes first and says how many follow, so it is reserved, then filled.
        """
        self._file.seek(offset)
        self._file.write(_encode(_payload(key, b"", label)))
        self._file.seek(self._position)

    def close(self) -> None:
        """Flush to disk, then let both files appear under their names.

        A .rec is read only with its .idx, so that of a former set goes first and the new one comes
        last: whenever this is cut short, no .idx stands beside a .rec that it does not describe.
        """
        for file in (self._file, self._index):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        index_path = self.path.with_suffix(".idx")
        index_path.unlink(missing_ok=True)
        os.replace(self._partial, self.path)
        os.replace(self._partial_index, index_path)

    def abandon(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._index.close()
        self._partial.unlink(missing_ok=True)
        self._partial_index.unlink(missing_ok=True)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def _lengths(offsets: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How much to read of each record at first: up to the next one, but neither little nor much."""
    order = np.argsort(offsets, kind="stable")
    gaps = np.diff(offsets[order], append=size)
    lengths = np.empty_like(offsets)
    lengths[order] = np.clip(gaps, _PLAIN_HEADER, _FIRST_READ)
    return lengths


def _payload(key: int, image: bytes, label: float | Sequence[float] | NDArray[np.generic]) -> bytes:
    """Header, labels and image: what one record holds before it is split into parts."""
    if len(image) > _RECORD_LIMIT - 1024:  # room for header and labels
        raise DataError(f"record {key}: {len(image)} bytes are beyond the format's 512 MiB")
    if isinstance(label, int | float):
        stored = float(np.float32(label)) if abs(label) < 3e38 else None
        if stored != label:
            raise _inexact(key, label)
        return _HEADER.pack(0, stored, key, 0) + image
    labels = np.asarray(label, np.float64)
    if labels.ndim > 1 or not 0 < labels.size <= 128:
        raise DataError(f"record {key}: a label is a number or 1 to 128 of them, not {label}")
    with np.errstate(over="ignore"):
        vector = labels.astype("<f4")
    if not np.array_equal(vector.astype(np.float64), labels):
        raise _inexact(key, label)
    if labels.ndim == 0:
        return _HEADER.pack(0, float(labels), key, 0) + image
    return _HEADER.pack(len(labels), 0.0, key, 0) + vector.tobytes() + image


def _inexact(key: int, label: object) -> DataError:
    return DataError(f"record {key}: label {label} is not exact as float32 (the format's type)")


def _encode(payload: bytes) -> bytes:
    """Parts of one record: split at every aligned magic, which is dropped there."""
    starts = [0]
    at = payload.find(_MAGIC_BYTES)
    while at != -1:
        if at % 4 == 0:
            starts.append(at + 4)
        at = payload.find(_MAGIC_BYTES, at + 4 if at % 4 == 0 else at + 1)
    ends = [start - 4 for start in starts[1:]] + [len(payload)]
    pieces = []
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        first, last = i == 0, i == len(starts) - 1
        flag = (_WHOLE if last else _FIRST) if first else (_LAST if last else _MIDDLE)
        length = end - start
        pieces += [_PART.pack(MAGIC, flag << _LENGTH_BITS | length), payload[start:end]]
        pieces.append(bytes(-length % 4))
    return b"".join(pieces)
