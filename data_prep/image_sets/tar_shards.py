"""Sharded .tar files as WebDataset lays them out, read at random.

Files of one name up to its first dot are a sample, if they stand side by side: `0017.jpg` is the
image and `0017.cls` its class index, or `0017.json` an object with `label` or `cls`. labels.json
beside the shards names the classes. Where each image is comes from one pass over the headers when
the set is opened, and stays in memory: there is no index file that could be out of date, and the
shards may lie where nothing can be written.
"""

from __future__ import annotations

import json
import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.class_names import read_class_names
from data_prep.errors import DataError
from data_prep.image_sets.base import Excerpts, ImageSet, excerpt_span
from data_prep.image_sets.shard_names import is_shard_folder, shard_files
from data_prep.image_sets.tar_headers import Member, TarScan
from data_prep.images import SUFFIXES
from data_prep.training_set import EXACT_LABELS

_IMAGE_LIMIT = 1 << 29  # bytes, as a .rec's
_LABEL_LIMIT = 1 << 20
_INTEGER = re.compile(rb"\s*(-?[0-9]{1,18})\s*")
_NO_LABEL = float("nan")


class _Shard(NamedTuple):
    path: Path
    size: int
    changed: int  # nanoseconds


@dataclass
class _Sample:
    """What stands side by side under one key."""

    key: str
    image: Member | None = None
    label: float = _NO_LABEL


class TarShards(ImageSet):
    """A WebDataset: images in the order of the shards, and of each shard's files.

    A shard that breaks off is opened as far as it goes, with a note.
    """

    kind = "tar shards"
    described = "a .tar (or a pattern of them)"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._shards: list[_Shard] = []
        self._names: list[str] = []
        self._starts = [0]  # number of the first image of each shard, and the total
        self._offsets, self._lengths = array("q"), array("q")
        self._values = array("d")  # labels as stored, NaN where there is none
        for file in shard_files(path):
            self._scan(file)
        if not self._names:
            raise DataError(
                f"{path}: {self.note}" if self.note else f"{path}: no images (KEY.jpg with KEY.cls)"
            )
        self.class_names = read_class_names(self.folder)

    @classmethod
    def matches(cls, path: Path) -> bool:
        return is_shard_folder(path) if path.is_dir() else ".tar" in path.suffixes[-2:]

    def _scan(self, file: Path) -> None:
        with TarScan(file) as tar:
            self._shards.append(_Shard(file, tar.status.st_size, tar.status.st_mtime_ns))
            sample = _Sample("")
            try:
                for member in tar.members():
                    key, suffix = _key_and_suffix(member.name)
                    if not suffix:
                        self.other_files += 1
                        continue
                    if key != sample.key:
                        self._add(sample)
                        sample = _Sample(key)
                    self._take(sample, member, suffix, tar)
            except DataError as error:
                reason = str(error).removeprefix(f"{file}: " if file == self.path else "")
                self.note = self.note or reason.removeprefix(f"{file.parent}/")
            self._add(sample)
        self._starts.append(len(self._names))

    def _take(self, sample: _Sample, member: Member, suffix: str, tar: TarScan) -> None:
        if suffix in SUFFIXES:
            if sample.image is not None:
                raise DataError(
                    f"{tar.path}/{member.name} at byte {member.offset}: {sample.image.name} has "
                    "the same key; give each image a key of its own"
                )
            sample.image = member
        elif suffix == ".cls":
            sample.label = _class_index(tar.read(member, _LABEL_LIMIT))
        elif suffix == ".json":
            if np.isnan(sample.label):
                sample.label = _label_in_json(tar.read(member, _LABEL_LIMIT))
        else:
            self.other_files += 1

    def _add(self, sample: _Sample) -> None:
        if sample.image is not None:
            self._names.append(sample.image.name)
            self._offsets.append(sample.image.offset)
            self._lengths.append(sample.image.size)
            self._values.append(sample.label)

    def __len__(self) -> int:
        return len(self._names)

    def read(self, i: int) -> bytes:
        shard, length = self._shard(i), self._lengths[i]
        if length > _IMAGE_LIMIT:
            raise DataError(f"{self.place(i)}: {length} bytes are too many for an image")
        try:
            with open(shard.path, "rb", buffering=0) as file:
                self._require_unchanged(shard, file.fileno())
                data = os.pread(file.fileno(), length, self._offsets[i])
        except OSError as error:
            raise DataError(f"{self.place(i)}: {error.strerror or error}") from None
        if len(data) < length:
            raise DataError(f"{self.place(i)}: only {len(data)} of {length} bytes can be read")
        return data

    def read_with_label(self, i: int) -> tuple[bytes, float]:
        return self.read(i), self._values[i]

    def _shard(self, i: int) -> _Shard:
        return self._shards[bisect_right(self._starts, i) - 1]

    def _require_unchanged(self, shard: _Shard, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if (status.st_size, status.st_mtime_ns) != (shard.size, shard.changed):
            raise DataError(f"{shard.path}: changed since it was opened; start again")

    def name(self, i: int) -> str:
        return f"{self._shard(i).path.name}/{self._names[i]}"

    def place(self, i: int) -> str:
        return f"{self._shard(i).path}/{self._names[i]} at byte {self._offsets[i]}"

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        raw = np.array(self._values)
        wrong = np.flatnonzero(~((raw >= 0) & (raw < EXACT_LABELS)))
        if len(wrong):
            i = int(wrong[0])
            has = "no class index" if np.isnan(raw[i]) else f"label {raw[i]:g}, not a class index"
            raise DataError(
                f"{self.place(i)} has {has}; wanted: a whole number in KEY.cls, or as `label` or "
                "`cls` in KEY.json"
            )
        return raw.astype(np.int64)

    @property
    def folder(self) -> Path:
        return self._shards[0].path.parent

    @property
    def stem(self) -> str:
        return "shards"

    @property
    def bytes_on_disk(self) -> int:
        return sum(shard.size for shard in self._shards)

    def stamps(self) -> Iterator[bytes]:
        """Of the shards' sizes and times of change, and of where each image lies."""
        for shard in self._shards:
            yield f"{shard.path.name}\0{shard.size}\0{shard.changed}\0".encode(
                "utf-8", "surrogateescape"
            )
        for part in (self._starts, self._offsets, self._lengths):
            yield np.array(part, "<i8").tobytes()

    def excerpts(self) -> Excerpts:
        pieces = []
        for k, shard in enumerate(self._shards):
            try:
                with open(shard.path, "rb", buffering=0) as file:
                    self._require_unchanged(shard, file.fileno())
                    for i in range(self._starts[k], self._starts[k + 1]):
                        begin, end = excerpt_span(self._lengths[i])
                        at = self._offsets[i] + begin
                        pieces.append(os.pread(file.fileno(), end - begin, at))
            except OSError as error:
                raise DataError(f"{shard.path}: {error.strerror or error}") from None
        return np.array(self._lengths, np.int64), b"".join(pieces)


def _key_and_suffix(name: str) -> tuple[str, str]:
    """WebDataset's key and extension: a path is cut at the first dot of its last part.

    No extension for what belongs to no sample: a file without one, and hidden files (macOS puts
    `._0017.jpg` before each).
    """
    folder, _, base = name.rpartition("/")
    key, dot, extension = base.partition(".")
    return f"{folder}/{key}", f".{extension.lower()}" if key and dot else ""


def _class_index(text: bytes) -> float:
    match = _INTEGER.fullmatch(text)
    return float(match[1]) if match else _NO_LABEL


def _label_in_json(text: bytes) -> float:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return _NO_LABEL
    if not isinstance(content, dict):
        return _NO_LABEL
    label = content.get("label", content.get("cls"))
    return float(label) if type(label) is int and abs(label) < 1 << 53 else _NO_LABEL
