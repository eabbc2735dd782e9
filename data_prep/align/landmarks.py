"""Landmark files: the path of a photo and ten numbers per line.

Read are CSV (commas, with or without a header) and the tab- or space-separated text lists of
SphereFace and its successors, whose CASIA list has the class number between path and points. The
ten numbers are x, y of eye, eye, nose tip, mouth corner, mouth corner, image left before image
right.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.align.detector import Face
from data_prep.errors import DataError
from data_prep.images import Image


class Landmarks:
    """A landmark file as a source of faces: one for each photo that it names, none for others."""

    no_face = "unlisted"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read and check the whole file; DataError names file and line."""
        self.path = Path(path)
        self._row: dict[str, int] = {}
        numbers = array("f")
        digest = hashlib.sha256()
        upright = 0
        for number, line in _lines(self.path):
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
            where = f"{self.path}: line {number}"
            parsed = _parse(line, where, may_be_header=not self._row)
            if parsed is None:
                continue
            name, values = parsed
            if name in self._row:
                raise DataError(f"{where}: {name} occurs twice in this list; remove one line")
            self._row[name] = len(self._row)
            numbers.extend(values)
            upright += _is_in_image_order(values)
        if not self._row:
            raise DataError(f"{self.path}: no line with a path and ten numbers")
        if 2 * upright < len(self._row):
            raise DataError(
                f"{self.path}: in most lines the person's left eye comes first; the order must be "
                "eye, eye, nose, mouth, mouth with image left before image right"
            )
        self._points = np.frombuffer(numbers, np.float32).reshape(-1, 5, 2)
        self._digest = digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, name: str) -> bool:
        return name in self._row

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """(5, 2) landmarks of a photo by its path relative to the photos' folder; KeyError."""
        return self._points[self._row[name]].astype(np.float64)

    def first_name(self) -> str:
        return next(iter(self._row))

    def settings(self) -> dict[str, str | float]:
        return {"landmarks": self.path.name, "landmarks_sha256": self._digest}

    def faces(self, name: str, image: Image) -> list[Face]:
        if name not in self:
            return []
        points = self[name]
        low, high = points.min(0), points.max(0)
        box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
        return [Face(box, points, 1.0)]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank; file names in them may be of any encoding."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _parse(line: str, where: str, may_be_header: bool) -> tuple[str, list[float]] | None:
    """Path and ten numbers of a line; None for a header."""
    fields = split_fields(line, where)
    if len(fields) == 12:
        del fields[1]  # the class number of CASIA's list
    if len(fields) != 11:
        raise DataError(f"{where}: expected a path and ten numbers, found {len(fields)} fields")
    try:
        values = [float(field) for field in fields[1:]]
    except ValueError:
        if may_be_header and not any(_is_number(field) for field in fields[1:]):
            return None
        raise DataError(f"{where}: expected ten numbers after the path") from None
    if not all(abs(value) < 1e6 for value in values):  # false for NaN too
        raise DataError(f"{where}: a coordinate is not a number of pixels")
    if math.dist(values[0:2], values[2:4]) + math.dist(values[0:2], values[4:6]) == 0:
        raise DataError(f"{where}: the eyes and the nose are the same point")
    return tidy_name(fields[0]), values


def split_fields(line: str, where: str) -> list[str]:
    """Fields of a line at tabs, else commas, else semicolons, else spaces; quotes as in CSV."""
    separator = next((c for c in "\t,;" if c in line), None)
    if separator is None:
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error as error:
        raise DataError(f"{where}: {error}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def tidy_name(name: str) -> str:
    """A path as lists write it (`./a\\b.jpg`, `/a/b.jpg`) → relative to the photos' folder."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _is_in_image_order(values: list[float]) -> bool:
    """Whether, turned upright, the first eye is on the left: true at any rotation of the image."""
    p = np.array(values).reshape(5, 2)
    across, down = p[1] - p[0], p[3] + p[4] - p[0] - p[1]
    return bool(across[0] * down[1] - across[1] * down[0] >= 0)
