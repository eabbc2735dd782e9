"""Read untrusted `.npy` and `.npz` files without allocating more than their content needs.

`numpy.load` allocates the size in the header before it checks how much data there is: a file of 128
bytes can request terabytes. Here the header is checked against the zip directory first, and the
directory against the file size and the best possible compression. Pickled objects are never loaded.
"""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError, UserError, first_line

IN_MEMORY = 2**30
"""Limit in bytes on the arrays of one archive that are read whole (1 GiB: distances of a hundred
million pairs). Arrays read row by row may have any size."""

DEFLATE_AT_BEST = 1032
"""Largest compression ratio of deflate (zlib's technical details)."""

_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    RuntimeError, OverflowError, MemoryError,
)  # fmt: skip
_HEADER_ERRORS = (
    ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError, EOFError,
)  # fmt: skip


@dataclass
class ArrayStream:
    """One array of a file, positioned at its first row. `what` names file and array in messages."""

    what: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    _file: IO[bytes]

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    def rows(self, count: int) -> NDArray[Any]:
        """The next `count` rows of a C-ordered array, (count, *shape[1:])."""
        width = math.prod(self.shape[1:]) * self.dtype.itemsize
        content = self._file.read(count * width)
        if len(content) != count * width:
            raise DataError(f"{self.what}: ends {count * width - len(content)} bytes early")
        return np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def skip(self, count: int) -> None:
        """Skip the next `count` rows."""
        self._file.seek(count * math.prod(self.shape[1:]) * self.dtype.itemsize, 1)

    def whole(self) -> NDArray[Any]:
        """All rows of a C-ordered array; shape () for a scalar."""
        if self.shape:
            return self.rows(self.shape[0])
        return np.frombuffer(self._file.read(self.dtype.itemsize), self.dtype).reshape(())


class ArrayArchive:
    """The arrays of an `.npz`; `remedy` is appended to every error message.

    Raises:
        DataError: not a readable zip file. Later reads raise it if the content is damaged.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        self.path, self._remedy, self._room = path, remedy, IN_MEMORY
        with self._readable(), zipfile.ZipFile(path) as archive:
            self.keys = tuple(
                name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")
            )

    def read(self, key: str) -> NDArray[Any]:
        """One array, whole.

        Raises:
            DataError: missing, damaged, objects, or above `IN_MEMORY` with those read before.
        """
        with self.open(key) as stream:
            if stream.nbytes > self._room:
                raise DataError(
                    f"{stream.what}: has {stream.nbytes} bytes, but the arrays of one file may "
                    f"have at most {IN_MEMORY} together; {self._remedy}"
                )
            self._room -= stream.nbytes
            if stream.fortran and len(stream.shape) > 1:
                raise DataError(f"{stream.what}: is in Fortran order; save a C-ordered array")
            return stream.whole()

    @contextmanager
    def open(self, key: str) -> Iterator[ArrayStream]:
        """One array, to be read row by row.

        Raises:
            DataError: missing, damaged, or objects.
        """
        if key not in self.keys:
            found = ", ".join(self.keys[:5]) or "nothing"
            raise DataError(f"{self.path}: no array {key!r} (it has {found}); {self._remedy}")
        with self._readable(), zipfile.ZipFile(self.path) as archive:
            member = archive.getinfo(f"{key}.npy")
            self._check_sizes(member)
            with archive.open(member) as file:
                yield open_array(file, member.file_size, f"{self.path}: {key}")

    def _check_sizes(self, member: zipfile.ZipInfo) -> None:
        """Raise BadZipFile for impossible sizes; NumPy writes stored or deflated arrays."""
        stored = member.compress_type == zipfile.ZIP_STORED
        most = member.compress_size * (1 if stored else DEFLATE_AT_BEST)
        known = stored or member.compress_type == zipfile.ZIP_DEFLATED
        if not known or member.compress_size > self.path.stat().st_size or member.file_size > most:
            raise zipfile.BadZipFile(f"impossible sizes of {member.filename}")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn errors from reading a zip file into a DataError."""
        try:
            yield
        except UserError:  # a ValueError that already has its message
            raise
        except _ZIP_ERRORS as error:
            raise DataError(
                f"{self.path}: not a readable .npz ({first_line(error)}); {self._remedy}"
            ) from None


def open_array(file: IO[bytes], size: int, what: str) -> ArrayStream:
    """The array that starts at the position of `file` and has `size` bytes including the header.

    Raises:
        DataError: not a NumPy array, an array of objects, or one whose header has another size.
    """
    try:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    except _HEADER_ERRORS as error:
        raise DataError(f"{what} is not a NumPy array ({first_line(error, 80)})") from None
    if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise DataError(f"{what}: expected an array of numbers or strings, not {shape} {dtype}")
    stream = ArrayStream(what, shape, fortran, dtype, file)
    if stream.nbytes != size - file.tell():
        shown = "×".join(map(str, shape)) or "one"
        raise DataError(
            f"{what}: its header announces {shown} {dtype}, {stream.nbytes} bytes, but the file "
            f"has {size - file.tell()}; it may be an incomplete copy"
        )
    return stream
