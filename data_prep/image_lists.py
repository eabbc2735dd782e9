"""Which images make a training set, class by class: from class folders or from a list file.

Both are walked, never held: what is kept in memory grows with the classes, not with the images
(but for a list whose classes are mixed up, 12 bytes a line).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from data_prep.align.landmarks import split_fields
from data_prep.errors import DataError
from data_prep.images import is_image_name, walk_files

_LINE_LIMIT = 1 << 16


class Listed(NamedTuple):
    """One image: its class index, its file, and where it was listed ("" if nowhere)."""

    label: int
    path: str
    where: str


@dataclass
class ImageList(ABC):
    """The images of SRC in the order of their classes; `images` walks them anew each time."""

    total: int
    names: list[str]  # of the classes
    other_files: int = 0

    @abstractmethod
    def images(self) -> Iterator[Listed]:
        """Image after image, classes ascending."""


@dataclass
class ClassFolders(ImageList):
    """SRC/class/…/image: the first folder is the class, however deep the images lie in it."""

    root: str = ""

    def images(self) -> Iterator[Listed]:
        label = {name: k for k, name in enumerate(self.names)}
        for folder, name in _walk_images(self.root):
            yield Listed(label[folder.split("/")[0]], f"{self.root}/{folder}/{name}", "")


def class_folders(root: Path) -> ImageList:
    """Classes in the order of their folders' names; DataError for images outside of a folder."""
    names: list[str] = []
    total = others = 0
    for folder, files in walk_files(root):
        images = sum(is_image_name(name) for name in files)
        others += len(files) - images
        total += images
        if images and not folder:
            first = next(name for name in files if is_image_name(name))
            raise DataError(
                f"{root / first}: an image in no class folder; move it to {root}/CLASS/{first}"
            )
        if images and (not names or names[-1] != folder.split("/")[0]):
            names.append(folder.split("/")[0])
    if not total:
        raise DataError(f"{root}: no images in its folders (.jpg, .png, .webp, .bmp)")
    return ClassFolders(total, names, others, root=str(root))


def _walk_images(root: str) -> Iterator[tuple[str, str]]:
    for folder, files in walk_files(root):
        for name in files:
            if is_image_name(name):
                yield folder, name


@dataclass
class ListFile(ImageList):
    """Lines of a path and a label; paths are relative to the list's own folder."""

    path: Path = Path()
    index: dict[str, int] | None = None  # label as written -> class index
    order: np.ndarray | None = None  # byte offsets of lines, where their order is not the classes'

    def images(self) -> Iterator[Listed]:
        assert self.index is not None
        root = self.path.parent
        with open(self.path, "rb") as file:
            lines = _lines(file, self.path) if self.order is None else self._in_order(file)
            for name, label, where in lines:
                yield Listed(self.index[label], os.path.join(root, name), where)

    def _in_order(self, file: BinaryIO) -> Iterator[tuple[str, str, str]]:
        assert self.order is not None
        for offset in self.order.tolist():
            file.seek(offset)
            where = f"{self.path}: the line at byte {offset}"
            line = file.readline(_LINE_LIMIT).decode("utf-8-sig", "surrogateescape")
            yield (*_path_and_label(line.strip(), where), where)


def list_file(path: Path) -> ImageList:
    """Read a list once through: its classes and whether its lines stand in their order.

    Labels that are whole numbers keep their order, and their values if these are 0 to C − 1; names
    are numbered as they first appear. DataError names the line.
    """
    first_seen: dict[str, int] = {}
    total, in_order, last = 0, True, -1
    seen = array("i")
    with open(path, "rb") as file:
        for _, label, _ in _lines(file, path):
            k = first_seen.setdefault(label, len(first_seen))
            in_order &= k >= last
            last = k
            total += 1
    if not total:
        raise DataError(f"{path}: no images in it; wanted: a path and a label a line")
    names = _class_order(list(first_seen), path)
    index = {name: k for k, name in enumerate(names)}
    if in_order and names == list(first_seen):
        return ListFile(total, names, path=path, index=index)
    offsets = array("q")
    with open(path, "rb") as file:
        for _, label, offset in _offsets(file, path):
            seen.append(index[label])
            offsets.append(offset)
    order = np.frombuffer(offsets, np.int64)[
        np.argsort(np.frombuffer(seen, np.int32), kind="stable")
    ]
    return ListFile(total, names, path=path, index=index, order=order)


def _class_order(labels: list[str], path: Path) -> list[str]:
    if not all(label.isascii() and label.isdigit() and len(label) < 10 for label in labels):
        return labels
    ordered = sorted(labels, key=int)
    if len({int(label) for label in labels}) < len(labels):
        raise DataError(f"{path}: one label is written in two ways, such as 7 and 007")
    return ordered


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[str, str, str]]:
    """Path, label and place of each line that is neither blank nor a heading."""
    for number, line, _ in _stripped(file, path):
        where = f"{path}: line {number}"
        name, label = _path_and_label(line, where)
        if number > 1 or _is_image(name, path):
            yield name, label, where


def _offsets(file: BinaryIO, path: Path) -> Iterator[tuple[str, str, int]]:
    for number, line, offset in _stripped(file, path):
        name, label = _path_and_label(line, f"{path}: line {number}")
        if number > 1 or _is_image(name, path):
            yield name, label, offset


def _is_image(name: str, path: Path) -> bool:
    """Whether the first line names an image, as opposed to columns."""
    return is_image_name(name) or os.path.isfile(path.parent / name)


def _stripped(file: BinaryIO, path: Path) -> Iterator[tuple[int, str, int]]:
    offset = 0
    number = 0
    while raw := file.readline(_LINE_LIMIT):
        number += 1
        if len(raw) == _LINE_LIMIT:
            raise DataError(f"{path}: line {number} is over 64 KiB long; is this a list of images?")
        if line := raw.decode("utf-8-sig", "surrogateescape").strip():
            yield number, line, offset
        offset += len(raw)


def _path_and_label(line: str, where: str) -> tuple[str, str]:
    """A path and a label at a tab, comma or semicolon; at the last blank where there is none."""
    spaced = not any(separator in line for separator in "\t,;")
    fields = line.rsplit(None, 1) if spaced else split_fields(line, where)
    if len(fields) != 2 or not all(fields) or "\0" in line:
        raise DataError(f"{where}: wanted: a path and a label")
    return fields[0], fields[1]
