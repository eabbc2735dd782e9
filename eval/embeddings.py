"""Sets of embeddings: arrays in memory, or `.npz`/`.npy` files read block by block.

A million 512-d embeddings are 2 GB. Files are read as a stream, not memory-mapped: pages of a map
count as the process's memory until the system takes them back, and a compressed archive has none.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.errors import DataError, UserError

FLOATS = ("float16", "float32", "float64")
SAVING = "save it with np.savez(FILE, embeddings=…, labels=…)"


class Faces(Protocol):
    """n embeddings, handed out in blocks, with what is known of each."""

    name: str
    """What to call the set in a message: its path."""
    labels: NDArray[Any] | None
    """(n,) integers or strings, whose face each is; None where that is unknown."""
    dimensions: int | None
    """None where only the first block will tell."""

    def __len__(self) -> int: ...

    def blocks(self, size: int) -> Iterator[NDArray[np.floating]]:
        """All rows in order, in (m, d) arrays with m <= size."""
        ...

    def row(self, i: int) -> str:
        """Row i for a person."""
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
    """Embeddings in a file: `.npz`, compressed or not, or a bare `.npy` of embeddings alone.

    The archive's arrays: `embeddings` (n, d) floats; `labels` (n,) integers or strings; and, as
    `arcface-plus embed` writes them, `paths` (n,) for messages, `class_names` for what integer
    labels are called, `checkpoint` and `flip`, together `made_with` ("" if unknown).

    Raises:
        DataError: missing or broken, or arrays of another form; the message names file and key.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        self._archive = path.suffix == ".npz"
        if not path.is_file():
            raise DataError(f"{path}: no such file of embeddings")
        self._keys = self._names() if self._archive else []
        with self._open("embeddings") as (file, size):
            shape, fortran, dtype = self._header(file, "embeddings")
            _check_form(f"{path}: embeddings", shape, dtype)
            if fortran:
                raise DataError(f"{path}: embeddings lie column by column; save a C-ordered array")
            expected = file.tell() + shape[0] * shape[1] * dtype.itemsize
            if size != expected:
                raise DataError(
                    f"{path}: embeddings announce {shape[0]}×{shape[1]} {dtype}, {expected} bytes, "
                    f"but there are {size} (incomplete copy?)"
                )
        self._length, self._dtype = shape[0], dtype
        self.dimensions: int | None = shape[1]
        self.labels = self._labels() if self._archive else None
        self.made_with = ", ".join(
            f"{key} {self._array(key)}" for key in ("checkpoint", "flip") if key in self._keys
        )

    def __len__(self) -> int:
        return self._length

    def blocks(self, size: int) -> Iterator[NDArray[np.floating]]:
        assert self.dimensions is not None
        width = self.dimensions * self._dtype.itemsize
        with self._open("embeddings") as (file, _):
            self._header(file, "embeddings")
            for start in range(0, self._length, size):
                rows = min(size, self._length - start)
                content = file.read(rows * width)
                if len(content) < rows * width:
                    at = start + len(content) // width
                    raise DataError(f"{self.path}: embeddings end at row {at} of {self._length}")
                yield np.frombuffer(content, self._dtype).reshape(rows, self.dimensions)

    def row(self, i: int) -> str:
        if "paths" in self._keys:
            paths = self._array("paths")
            if paths.ndim == 1 and i < len(paths):
                return f"row {i} ({paths[i]})"
        return f"row {i}"

    def _labels(self) -> NDArray[Any] | None:
        """`labels`, by name where there are `class_names`: numbers are one file's own."""
        if "labels" not in self._keys:
            return None
        with self._open("labels") as (file, _):
            shape, _, dtype = self._header(file, "labels")
            _check_labels(f"{self.path}: labels", shape, dtype, self._length)
        labels = self._array("labels")
        if "class_names" not in self._keys or dtype.kind == "U":
            return labels
        names = self._array("class_names")
        wrong = np.flatnonzero((labels < 0) | (labels >= names.size))
        if names.ndim != 1 or names.dtype.kind != "U" or len(wrong):
            row = int(wrong[0]) if len(wrong) else 0
            raise DataError(
                f"{self.path}: class_names {names.shape} {names.dtype} has no name for label "
                f"{labels[row]} of row {row}; leave it out or complete it"
            )
        return names[labels]

    def _array(self, key: str) -> NDArray[Any]:
        with self._open(key) as (file, _):
            try:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            except ValueError as error:
                raise DataError(f"{self.path}: {key}: {str(error)[:80]}; {SAVING}") from None
        return array

    @contextmanager
    def _open(self, key: str) -> Iterator[tuple[IO[bytes], int]]:
        """An array of the archive (or the bare file) and its size in bytes, header included."""
        if not self._archive:
            with open(self.path, "rb") as file:
                yield file, self.path.stat().st_size
            return
        if key not in self._keys:
            found = ", ".join(self._keys[:5]) or "nothing"
            raise DataError(f"{self.path}: no array {key!r} (it has {found}); {SAVING}")
        with self._broken(), zipfile.ZipFile(self.path) as archive:
            member = archive.getinfo(f"{key}.npy")
            with archive.open(member) as stream:
                yield stream, member.file_size

    def _names(self) -> list[str]:
        with self._broken(), zipfile.ZipFile(self.path) as archive:
            return [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]

    @contextmanager
    def _broken(self) -> Iterator[None]:
        """What goes wrong in a zip file, in words."""
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise DataError(
                f"{self.path}: not a readable .npz ({error}); copy it again, or {SAVING}"
            ) from None

    def _header(self, file: IO[bytes], key: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        """Shape, Fortran order and dtype of the array that starts here."""
        try:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(file)
            return np.lib.format.read_array_header_2_0(file)
        except ValueError as error:
            raise DataError(f"{self.path}: {key} is no NumPy array ({str(error)[:80]})") from None


def _check_form(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or shape[0] == 0 or shape[1] == 0:
        raise DataError(f"{name}: expected at least one row of (images, dimensions), not {shape}")
    if dtype.name not in FLOATS or not dtype.isnative:
        raise DataError(f"{name}: expected {', '.join(FLOATS)}, not {dtype}; convert with .astype")


def _check_labels(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int) -> None:
    if dtype.kind not in "iuU":
        raise UserError(f"{name}: labels must be integers or strings, not {dtype}")
    if shape != (rows,):
        raise UserError(f"{name}: {rows} embeddings need as many labels in one row, not {shape}")


def directions(faces: Faces, dimensions: int | None) -> NDArray[np.float32]:
    """All rows, of length 1, (n, d)."""
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
    """A block's rows as float32 of length 1; UserError for one that has no direction."""
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
            what = "is zero" if not row.any() else "is too long or too short to be normalised"
        raise UserError(
            f"{faces.name}: the embedding of {faces.row(start + int(bad[0]))} {what}; check the "
            "network and its input, or leave the image out"
        )
    return units
