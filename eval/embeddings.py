"""Sets of embeddings: arrays in memory, or `.npz`/`.npy` files read block by block.

A million 512-d embeddings take 2 GB. Files are streamed, not memory-mapped: mapped pages count as
the process's memory until the system reclaims them, and compressed archives cannot be mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.errors import DataError, UserError
from eval.array_file import ArrayArchive, ArrayStream, open_array

FLOATS = ("float16", "float32", "float64")
MOST_DIMENSIONS = 2**16
SAVING = "save it with np.savez(FILE, embeddings=…, labels=…)"


class Faces(Protocol):
    """n embeddings, read in blocks, with their labels if known."""

    name: str
    """Name of the set in messages: its path."""
    labels: NDArray[Any] | None
    """(n,) integers or strings, the identity of each; None if unknown."""
    dimensions: int | None
    """None if not known before the first block is read."""

    def __len__(self) -> int: ...

    def blocks(self, size: int) -> Iterator[NDArray[np.floating]]:
        """All rows in order, in (m, d) arrays with m <= size."""
        ...

    def row(self, i: int) -> str:
        """Name of row i for messages."""
        ...


class ArrayFaces:
    """Embeddings in memory: (n, d) floats and, optionally, n labels."""

    def __init__(
        self, embeddings: ArrayLike, labels: ArrayLike | None = None, name: str = "embeddings"
    ) -> None:
        self.name = name
        self._rows = np.asarray(embeddings)
        _check_form(name, self._rows.shape, self._rows.dtype)
        self.dimensions: int | None = self._rows.shape[1]
        self.labels = None if labels is None else np.asarray(labels)
        if self.labels is not None:
            _check_labels(name, self.labels.shape, self.labels.dtype, len(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def blocks(self, size: int) -> Iterator[NDArray[np.floating]]:
        for start in range(0, len(self._rows), size):
            yield self._rows[start : start + size]

    def row(self, i: int) -> str:
        return f"row {i}"


class FaceFile:
    """Embeddings in a file: `.npz`, compressed or not, or `.npy` with embeddings only.

    The archive's arrays: `embeddings` (n, d) floats; `labels` (n,) integers or strings; and, as
    `arcface-plus embed` writes them, `paths` (n,) for messages, `class_names` with the names of
    integer labels, `checkpoint` and `flip`. The last two make up `made_with` ("" if unknown).

    Raises:
        DataError: missing or damaged, or arrays of wrong shape or type; the message names file
            and key.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        if not path.is_file():
            raise DataError(f"{path}: no such embeddings file")
        self._archive = ArrayArchive(path, SAVING) if path.suffix == ".npz" else None
        with self._embeddings() as stream:
            _check_form(stream.what, stream.shape, stream.dtype)
            if stream.fortran:
                raise DataError(f"{path}: embeddings are in Fortran order; save a C-ordered array")
            self._length = stream.shape[0]
            self.dimensions: int | None = stream.shape[1]
        self.labels = None
        self.made_with = ""
        if self._archive is not None:
            self.labels = self._labels(self._archive)
            keys = [key for key in ("checkpoint", "flip") if key in self._archive.keys]
            self.made_with = ", ".join(f"{key} {self._archive.read(key)}" for key in keys)

    def __len__(self) -> int:
        return self._length

    def blocks(self, size: int) -> Iterator[NDArray[np.floating]]:
        with self._embeddings() as stream:
            for start in range(0, self._length, size):
                yield stream.rows(min(size, self._length - start))

    def row(self, i: int) -> str:
        if self._archive is not None and "paths" in self._archive.keys:
            with self._archive.open("paths") as stream:
                if len(stream.shape) == 1 and i < stream.shape[0]:
                    stream.skip(i)
                    return f"row {i} ({stream.rows(1)[0]})"
        return f"row {i}"

    @contextmanager
    def _embeddings(self) -> Iterator[ArrayStream]:
        if self._archive is not None:
            with self._archive.open("embeddings") as stream:
                yield stream
            return
        with open(self.path, "rb") as file:
            yield open_array(file, self.path.stat().st_size, f"{self.path}: embeddings")

    def _labels(self, archive: ArrayArchive) -> NDArray[Any] | None:
        """`labels`, as names if there are `class_names`: numbers are only valid within one file."""
        if "labels" not in archive.keys:
            return None
        with archive.open("labels") as stream:
            _check_labels(stream.what, stream.shape, stream.dtype, self._length)
        labels = archive.read("labels")
        if "class_names" not in archive.keys or labels.dtype.kind == "U":
            return labels
        names = archive.read("class_names")
        wrong = np.flatnonzero((labels < 0) | (labels >= names.size))
        if names.ndim != 1 or names.dtype.kind != "U" or len(wrong):
            row = int(wrong[0]) if len(wrong) else 0
            raise DataError(
                f"{self.path}: class_names {names.shape} {names.dtype} has no name for label "
                f"{labels[row]} of row {row}; complete class_names or leave it out"
            )
        return names[labels]


def _check_form(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or shape[0] == 0 or not 0 < shape[1] <= MOST_DIMENSIONS:
        raise DataError(f"{name}: expected at least one row of (images, dimensions), not {shape}")
    if dtype.name not in FLOATS or not dtype.isnative:
        raise DataError(f"{name}: expected {', '.join(FLOATS)}, not {dtype}; convert with .astype")


def _check_labels(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int) -> None:
    if dtype.kind not in "iuU":
        raise UserError(f"{name}: labels must be integers or strings, not {dtype}")
    if shape != (rows,):
        raise UserError(f"{name}: labels must have the shape ({rows},), one per row, not {shape}")


def directions(faces: Faces, dimensions: int | None) -> NDArray[np.float32]:
    """All rows (n, d), normalized to length 1."""
    parts: list[NDArray[np.float32]] = []
    done = 0
    for rows in faces.blocks(4096):
        dimensions = rows.shape[1] if dimensions is None else dimensions
        parts.append(unit_rows(faces, rows, done, dimensions))
        done += len(rows)
    return np.concatenate(parts)


def unit_rows(
    faces: Faces, rows: NDArray[np.floating], start: int, dimensions: int
) -> NDArray[np.float32]:
    """A block's rows as float32 of length 1; UserError for a row that cannot be normalized."""
    if rows.shape[1] != dimensions:
        raise UserError(
            f"{faces.name}: {rows.shape[1]}-d embeddings among {dimensions}-d ones; embed all with "
            "one model"
        )
    with np.errstate(all="ignore"):
        precise = rows if rows.dtype == np.float64 else rows.astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", precise, precise))
        units = (precise / lengths[:, None]).astype(np.float32, copy=False)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > np.finfo(np.float32).tiny)))
    if len(bad):
        row = rows[bad[0]]
        if not np.isfinite(row).all():
            what = "is not finite (NaN or infinity)"
        else:
            what = "is zero" if not row.any() else "is too large or too small to be normalized"
        raise UserError(
            f"{faces.name}: the embedding of {faces.row(start + int(bad[0]))} {what}; check the "
            "network and its input, or leave the image out"
        )
    return units
