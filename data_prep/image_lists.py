"""Which images make a training set, class by class: from class folders or from a list file.

Memory grows with the classes, not with the images, except for a list whose classes are mixed up:
that takes 20 bytes per line.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from data_prep.align.landmarks import split_fields
from data_prep.errors import DataError
from data_prep.image_header import FORMATS
from data_prep.images import is_image_name, walk_files

_LINE_LIMIT = 1 << 16
_LST_LABEL = re.compile(r"0*([0-9]+?)(?:\.0*)?")  # im2rec writes 7 as 7.000000


class Listed(NamedTuple):
    """One image: its class index, its file, and where it was listed ("" if nowhere)."""

    label: int
    path: str
    where: str


@dataclass
class ImageList(ABC):
    """The images of SRC in the order of their classes; `images` walks them again each time."""

    total: int
    names: list[str]  # of the classes
    other_files: int = 0

    @abstractmethod
    def images(self) -> Iterator[Listed]:
        """Image after image, classes ascending."""


@dataclass
class ClassFolders(ImageList):
    """SRC/class/…/image: the first folder is the class, however deep the images are in it."""

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
        raise DataError(f"{root}: no images in its folders ({FORMATS})")
    return ClassFolders(total, names, others, root=str(root))


def _walk_images(root: str) -> Iterator[tuple[str, str]]:
    for folder, files in walk_files(root):
        for name in files:
            if is_image_name(name):
                yield folder, name


@dataclass
class ListFile(ImageList):
    """The lines of a list; its images in the order of their classes."""

    path: Path = Path()
    root: Path = Path()  # where the paths start from
    index: dict[str, int] | None = None  # label as written -> class index
    order: np.ndarray | None = None  # (n, 2) byte offset and number of each line, if sorted by us

    def images(self) -> Iterator[Listed]:
        assert self.index is not None
        with open(self.path, "rb") as file:
            lines = _lines(file, self.path, self.root) if self.order is None else self._sorted(file)
            for line in lines:
                where = f"{self.path}: line {line.number}"
                yield Listed(self.index[line.label], os.path.join(self.root, line.name), where)

    def _sorted(self, file: BinaryIO) -> Iterator[Line]:
        assert self.order is not None
        for offset, number in self.order.tolist():
            file.seek(offset)
            text = file.readline(_LINE_LIMIT).decode("utf-8-sig", "surrogateescape").strip()
            yield Line(*_path_and_label(text, self.path, number), number, offset)


def list_file(path: Path, root: str | os.PathLike[str] | None = None) -> ImageList:
    """Read a list once: its classes, and whether its lines are in their order.

    A line is a path and a label; in a .lst file of MXNet's im2rec it is an index, one or more
    labels (the first is the class) and a path, between tabs. Paths start from `root`, by default
    the list's folder. Labels that are whole numbers keep their order, and their values if these are
    0 to C − 1; names are numbered as they first appear. DataError names the line.
    """
    root = path.parent if root is None else Path(root)
    first_seen: dict[str, int] = {}
    total, in_order, last = 0, True, -1
    with open(path, "rb") as file:
        for line in _lines(file, path, root):
            k = first_seen.setdefault(line.label, len(first_seen))
            in_order &= k >= last
            last = k
            total += 1
    if not total:
        raise DataError(f"{path}: no images in it; expected a path and a label on each line")
    names = class_order(list(first_seen), path)
    index = {name: k for k, name in enumerate(names)}
    if in_order and names == list(first_seen):
        return ListFile(total, names, path=path, root=root, index=index)
    seen, places = array("i"), array("q")
    with open(path, "rb") as file:
        for line in _lines(file, path, root):
            seen.append(index[line.label])
            places.extend((line.offset, line.number))
    by_class = np.argsort(np.frombuffer(seen, np.int32), kind="stable")
    order = np.frombuffer(places, np.int64).reshape(-1, 2)[by_class]
    return ListFile(total, names, path=path, root=root, index=index, order=order)


def class_order(labels: list[str], path: Path) -> list[str]:
    """Distinct labels, in the order of first appearance → in the order of their classes.

    Whole numbers of any length are sorted by value; where there are other names, nothing is.
    """
    if not all(label.isascii() and label.isdigit() for label in labels):
        return labels
    digits = {label: label.lstrip("0") for label in labels}
    if len(set(digits.values())) < len(labels):
        raise DataError(f"{path}: one label is written in two ways, such as 7 and 007")
    return sorted(labels, key=lambda label: (len(digits[label]), digits[label]))


class Line(NamedTuple):
    """A line of a list: what it says, and where it is."""

    name: str
    label: str
    number: int
    offset: int  # in bytes


def _lines(file: BinaryIO, path: Path, root: Path) -> Iterator[Line]:
    """Each line that is neither blank nor a heading."""
    for number, text, offset in _stripped(file, path):
        name, label = _path_and_label(text, path, number)
        if number > 1 or is_image_name(name) or os.path.isfile(root / name):  # else: columns
            yield Line(name, label, number, offset)


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


def _path_and_label(line: str, path: Path, number: int) -> tuple[str, str]:
    """A path and a label at a tab, comma or semicolon; at the last blank where there is none."""
    where = f"{path}: line {number}"
    if path.suffix == ".lst":
        return _of_lst(line, where)
    spaced = not any(separator in line for separator in "\t,;")
    fields = line.rsplit(None, 1) if spaced else split_fields(line, where)
    if len(fields) != 2 or not all(fields) or "\0" in line:
        raise DataError(f"{where}: expected a path and a label")
    return fields[0], fields[1]


def _of_lst(line: str, where: str) -> tuple[str, str]:
    """Path and class of a line of im2rec's .lst, or of InsightFace's: 1, path, class."""
    fields = line.split("\t")
    if len(fields) == 3 and fields[0] == "1" and not _LST_LABEL.fullmatch(fields[1]):
        fields = [fields[0], fields[2], fields[1]]
    if len(fields) < 3 or not fields[0].isdigit() or not fields[-1] or "\0" in line:
        raise DataError(
            f"{where}: expected an index, a label and a path, separated by tabs (im2rec's .lst)"
        )
    label = _LST_LABEL.fullmatch(fields[1])
    if label is None:
        raise DataError(f"{where}: label {fields[1]!r} is not a class (0, 1, 2 …)")
    return fields[-1], label[1]
