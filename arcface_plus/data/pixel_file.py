"""A file of decoded pixels: numpy's .npy format, followed by one checksum per image.

``np.load(path, mmap_mode="r")`` gives the images, (n, 112, 112, 3) uint8 RGB. The array is followed
by n uint64 checksums, which numpy ignores, so that training never uses a damaged image.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.errors import DataError

IMAGE_BYTES = SIDE * SIDE * 3
_SUM_BYTES = 8
_SPREAD = 0x9E3779B97F4A7C15  # odd, no regular pattern: 2^64 over the golden ratio


def file_bytes(images: int) -> int:
    """Size in bytes of a file of this many images."""
    return len(_header(images)) + images * (IMAGE_BYTES + _SUM_BYTES)


class PixelFile:
    """A complete pixel file, open for reading by any number of threads and processes.

    `seed` is the one it was written with: a file of other images fails the checksums.
    """

    def __init__(self, path: Path, images: int, seed: int) -> None:
        self.path, self._images, self._seed = path, images, seed
        header = _header(images)
        self._start = len(header)
        self._file = open(path, "rb")  # noqa: SIM115  (open as long as this object)
        size = os.fstat(self._file.fileno()).st_size
        if size != file_bytes(images):
            raise DataError(f"{path}: has {size} bytes instead of {file_bytes(images)}")
        if self._file.read(len(header)) != header:
            raise DataError(f"{path}: its header is damaged")
        self._file.seek(images * IMAGE_BYTES, os.SEEK_CUR)
        self._sums = np.fromfile(self._file, "<u8", images)

    def read(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Copy the images `indices` (n,) into `out` (n, 112, 112, 3), contiguous.

        DataError for an image that has changed since it was written. Releases the GIL. Does not use
        a memory map: its page faults take two to three times as long as these calls, and if the
        disk fails or the file is truncated, SIGBUS ends the process without a message.
        """
        for place, index in enumerate(indices.tolist()):
            at = self._start + index * IMAGE_BYTES
            if os.preadv(self._file.fileno(), [out[place]], at) != IMAGE_BYTES:
                raise self._damaged(index)
        wrong = np.flatnonzero(checksums(indices, out, self._seed) != self._sums[indices])
        if len(wrong):
            raise self._damaged(int(indices[wrong[0]]))

    def _damaged(self, index: int) -> DataError:
        return DataError(
            f"{self.path}: image {index} is damaged; remove the file, the next run rebuilds it"
        )

    def check_sample(self, images: int = 64) -> None:
        """Read a few images across the file; DataError if one of them is damaged."""
        indices = np.linspace(0, self._images - 1, min(images, self._images)).astype(np.int64)
        self.read(indices, np.empty((len(indices), SIDE, SIDE, 3), np.uint8))


class PixelFileWriter:
    """Fills an empty file, opened for reading and writing, from any number of threads."""

    def __init__(self, descriptor: int, images: int, seed: int) -> None:
        self._descriptor, self._images, self._seed = descriptor, images, seed
        self._sums = np.empty(images, "<u8")
        _write_all(descriptor, _header(images), 0)

    def write(self, start: int, pixels: NDArray[np.uint8]) -> None:
        """Put the images `pixels` (k, 112, 112, 3), contiguous, at `start`."""
        indices = np.arange(start, start + len(pixels))
        self._sums[indices] = checksums(indices, pixels, self._seed)
        at = len(_header(self._images)) + start * IMAGE_BYTES
        _write_all(self._descriptor, pixels.data.cast("B"), at)

    def finish(self) -> None:
        """Write the checksums and wait until everything is on the disk."""
        at = len(_header(self._images)) + self._images * IMAGE_BYTES
        _write_all(self._descriptor, self._sums.tobytes(), at)
        os.fsync(self._descriptor)


def checksums(
    indices: NDArray[np.int64], pixels: NDArray[np.uint8], seed: int
) -> NDArray[np.uint64]:
    """One checksum for each of the (k, 112, 112, 3) images, which are images `indices` of a file.

    A sum of 64-bit words, a few microseconds per image. It detects holes, torn writes and flipped
    bits, the usual disk faults, but not deliberate changes.
    """
    words = pixels.reshape(len(pixels), -1).view("<u8")
    places = (indices.astype(np.uint64) + np.uint64(1)) * np.uint64(_SPREAD)
    return words.sum(axis=1, dtype=np.uint64) + places + np.uint64(seed & (1 << 64) - 1)


def _header(images: int) -> bytes:
    header = io.BytesIO()
    shape = (images, SIDE, SIDE, 3)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return header.getvalue()


def _write_all(descriptor: int, data: bytes | memoryview, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
