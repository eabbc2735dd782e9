"""MNIST's idx files, plain or .gz; Fashion-MNIST and KMNIST have the same.

Format (yann.lecun.com/exdb/mnist): big-endian numbers of four bytes; images have the magic number
2051, count, rows, columns and then a byte a pixel, labels 2049, count and then a byte each.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.labelled_images.base import PixelArray, Split

_PREFIXES = {"train": "train", "test": "t10k"}
_DIGITS = 10
_SIZE_LIMIT = 1 << 30
_DEFLATE_AT_BEST = 1032
_MAGIC = {1: 2049, 3: 2051}  # by number of dimensions; bytes


class Mnist(PixelArray):
    """Digits 28×28, grey; a folder with the four idx files under their official names."""

    kind = "MNIST"
    described = "train-images-idx3-ubyte(.gz) and its companions (MNIST)"

    def __init__(self, path: Path, split: Split) -> None:
        prefix = _PREFIXES[split]
        image_file = _find(path, f"{prefix}-images-idx3-ubyte")
        label_file = _find(path, f"{prefix}-labels-idx1-ubyte")
        pixels, digits = read_idx(image_file, 3), read_idx(label_file, 1)
        if len(pixels) != len(digits):
            raise DataError(f"{label_file}: {len(digits)} labels for {len(pixels)} images")
        if not pixels.size:
            raise DataError(f"{image_file}: holds no images")
        if digits.max() >= _DIGITS:
            i = int(np.argmax(digits >= _DIGITS))
            raise DataError(f"{label_file}: label {digits[i]} of image {i} is no digit")
        names = {digit: str(digit) for digit in range(_DIGITS)}
        super().__init__(path, split, pixels[..., None], digits.astype(np.int64), names)

    @classmethod
    def matches(cls, path: Path) -> bool:
        return any((path / f"train-images-idx3-ubyte{end}").is_file() for end in ("", ".gz"))


def _find(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise DataError(f"{folder / name}: no such file, nor {name}.gz")


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else open(path, "rb")


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of bytes in an idx file, of so many dimensions (1 or 3); DataError names the file.

    Nothing is allocated before the file is known to be able to hold it.
    """
    try:
        room = path.stat().st_size * (_DEFLATE_AT_BEST if path.suffix == ".gz" else 1)
        with _opened(path) as file:
            return _read(path, file, dimensions, room)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _read(path: Path, file: IO[bytes], dimensions: int, room: int) -> NDArray[np.uint8]:
    header = file.read(4 + 4 * dimensions)
    magic = int.from_bytes(header[:4])
    if len(header) < 4 + 4 * dimensions or magic != _MAGIC[dimensions]:
        raise DataError(
            f"{path}: begins with {header[:4].hex() or 'nothing'}, not {_MAGIC[dimensions]:08x}: "
            f"no idx file of bytes in {dimensions} dimension{'s' * (dimensions > 1)}"
        )
    shape = np.frombuffer(header, ">u4", offset=4).tolist()
    wanted = math.prod(shape)
    if wanted > _SIZE_LIMIT or wanted > room:
        raise DataError(f"{path}: claims {wanted} bytes, more than it can hold; download it again")
    data = file.read(wanted)
    if len(data) < wanted or file.read(1):
        has = "more" if len(data) == wanted else len(data)
        raise DataError(f"{path}: should hold {wanted} bytes, has {has}; download it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
