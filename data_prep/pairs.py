"""Pair files (.bin: lfw.bin, cfp_fp.bin, agedb_30.bin): reader and writer.

A .bin is a pickle of `(bins, issame)`: 2·P encoded images, pair k being images 2k and 2k + 1, and P
truth values. A pickle is a program, so reading one is left to ``restricted_pickle``, which runs
nothing of it and bounds what it can cost.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.files import replacing
from data_prep.restricted_pickle import PickledArray, load

_SIZE_LIMIT = 64 << 30


def read_pairs(path: str | os.PathLike[str]) -> tuple[list[bytes], NDArray[np.bool_]]:
    """Images and truth of a pair file: 2·P encoded images, (P,) bool.

    Reads what Python 2, Python 3 and numpy wrote (byte strings, bytes, uint8 arrays; truth as list
    or array of bool or 0/1). Runs nothing the file holds. Raises DataError.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size > _SIZE_LIMIT:
        raise DataError(f"{path}: over 64 GiB, too large for a pair file")
    data = path.read_bytes()
    if data.startswith(b"PK\x03\x04"):
        raise DataError(f"{path}: a zip archive, such as torch.save writes, not a pair file")
    try:
        content = load(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(content, list | tuple) or len(content) != 2:
        raise DataError(f"{path}: holds no (images, issame) tuple")
    bytes_of: dict[int, bytes] = {}
    items = _items(content[0], path)
    images = [_image_bytes(item, i, bytes_of, path) for i, item in enumerate(items)]
    if sum(map(len, images)) > _SIZE_LIMIT:  # a small file may refer to one image many times
        raise DataError(
            f"{path}: its pairs refer to over 64 GiB of images, too much for a pair file"
        )
    same = _truth(content[1], path)
    if len(images) != 2 * len(same) or not images:
        raise DataError(f"{path}: {len(images)} images do not make {len(same)} pairs of two")
    return images, same


def _items(value: object, path: Path) -> list[Any]:
    if isinstance(value, PickledArray):  # one array whose rows are the images
        return list(value.array())
    if isinstance(value, list | tuple):
        return list(value)
    raise DataError(f"{path}: its images are a {type(value).__name__}, not a list")


def _image_bytes(item: object, index: int, bytes_of: dict[int, bytes], path: Path) -> bytes:
    """The encoded image; `bytes_of` keeps what was copied, by identity, so it is copied once."""
    if isinstance(item, PickledArray) and item.is_bytes:
        item = item.data
    elif isinstance(item, np.ndarray) and item.dtype in (np.uint8, np.int8):
        item = item.tobytes()
    if isinstance(item, bytearray):
        if id(item) not in bytes_of:
            bytes_of[id(item)] = bytes(item)
        item = bytes_of[id(item)]
    if not isinstance(item, bytes):
        kind = "numpy array" if isinstance(item, PickledArray) else type(item).__name__
        raise DataError(
            f"{path}: pair {index // 2}, image {index % 2} is a {kind}, not the bytes of an image"
        )
    return item


def _truth(value: object, path: Path) -> NDArray[np.bool_]:
    if isinstance(value, PickledArray):
        flags = value.array()
        if flags.ndim != 1:
            raise DataError(f"{path}: issame has {flags.ndim} dimensions, not one")
        wrong = np.flatnonzero((flags != 0) & (flags != 1))
        if len(wrong):
            raise DataError(f"{path}: pair {wrong[0]}: issame is {flags[wrong[0]]}, not 0 or 1")
        return flags.astype(bool)
    if not isinstance(value, list | tuple):
        raise DataError(f"{path}: its truth values are a {type(value).__name__}, not a list")
    for k, flag in enumerate(value):
        if not isinstance(flag, bool | int | np.bool_ | np.integer) or flag not in (0, 1):
            kind = type(flag).__name__
            raise DataError(f"{path}: pair {k}: issame is a {kind} that is neither 0 nor 1")
    return np.array(value, dtype=bool)


def byte_offset(path: str | os.PathLike[str], image: bytes) -> int:
    """Where `image` stands in the pair file, for error messages; -1 if it is not there as such."""
    return Path(path).read_bytes().find(image) if image else -1


def write_pairs(
    path: str | os.PathLike[str], images: Sequence[bytes], same: Sequence[bool] | NDArray[np.bool_]
) -> None:
    """Write a pair file that our reader and InsightFace's loader (Python 3) read.

    `images` holds 2·P encoded images, `same` P truth values. Plain bytes and bools, protocol 4;
    the file appears whole or not at all.
    """
    path = Path(path)
    if len(images) != 2 * len(same) or not len(images):
        raise DataError(f"{path}: {len(images)} images do not make {len(same)} pairs of two")
    with replacing(path) as file:
        pickle.dump(([bytes(image) for image in images], [bool(s) for s in same]), file, protocol=4)
