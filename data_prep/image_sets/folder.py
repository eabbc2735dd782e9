"""A tree of image files; the first folder of an image's path is its class.

`data pack` walks the same images in the same classes without holding their names
(`data_prep.image_lists`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.files import read_file
from data_prep.image_sets.base import Excerpts, ImageSet, excerpt_span
from data_prep.images import SUFFIXES, is_image_name, walk_files


class Folder(ImageSet):
    """Classes are numbered in the order of their folders' names; hidden names do not count.

    Images that lie in no folder are of a class without a name, and cannot be trained on.
    """

    kind = "folder"
    described = "a folder of images"
    each_is_a_file = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._names: list[str] = []  # relative to path, with "/"
        labels: list[int] = []
        classes: dict[str, int] = {}
        for folder, files in walk_files(path):
            images = [name for name in files if is_image_name(name)]
            self.other_files += len(files) - len(images)
            if images:
                label = classes.setdefault(folder.split("/")[0], len(classes))
                self._names += [f"{folder}/{name}" if folder else name for name in images]
                labels += [label] * len(images)
        if not self._names:
            suffixes = ", ".join(sorted(SUFFIXES))
            raise DataError(f"{path}: holds neither train.rec, .tar shards nor images ({suffixes})")
        self._labels = np.array(labels, np.int64)
        self.class_names = {label: name for name, label in classes.items()}

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_dir()

    def __len__(self) -> int:
        return len(self._names)

    def read(self, i: int) -> bytes:
        return read_file(self.place(i))

    def name(self, i: int) -> str:
        return self._names[i]

    def place(self, i: int) -> str:
        return f"{self.path}/{self._names[i]}"

    @property
    def labels(self) -> NDArray[np.int64]:
        return self._labels

    @property
    def has_classes(self) -> bool:
        return set(self.class_names.values()) != {""}

    def require_classes(self) -> None:
        if "" in self.class_names.values():  # the walk begins with them
            raise DataError(
                f"{self.place(0)}: lies in no class folder; move it to "
                f"{self.path}/CLASS/{self.name(0)}"
            )

    @property
    def size(self) -> tuple[int, int]:
        return 0, 0

    @property
    def folder(self) -> Path:
        return self.path

    @property
    def stem(self) -> str:
        return "images"

    def stamps(self) -> Iterator[bytes]:
        """Of every file's name, size and time of change."""
        yield str((len(self),)).encode()
        for i, name in enumerate(self._names):
            status = os.stat(self.place(i))
            text = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"
            yield text.encode("utf-8", "surrogateescape")

    def excerpts(self) -> Excerpts:
        lengths = np.empty(len(self), np.int64)
        pieces = []
        for i in range(len(self)):
            try:
                with open(self.place(i), "rb", buffering=0) as file:
                    lengths[i] = os.fstat(file.fileno()).st_size
                    begin, end = excerpt_span(int(lengths[i]))
                    pieces.append(os.pread(file.fileno(), end - begin, begin))
            except OSError as error:
                raise DataError(f"{self.place(i)}: {error.strerror or error}") from None
        return lengths, b"".join(pieces)
