"""Pair files (.bin: lfw.bin, cfp_fp.bin, agedb_30.bin): reader and writer.

A .bin is a pickle of `(bins, issame)`: 2·P encoded images, pair k being images 2k and 2k + 1, and P
truth values. A pickle is a program, so nothing in the file may run: first its opcodes are walked
without being executed and only those that build lists, tuples, strings, numbers and numpy arrays
are let through, with every length checked against the file; then it is unpickled with stand-ins in
place of numpy's constructors, and any other global is refused.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError

_IMAGE_OPCODES = {
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8",
}  # fmt: skip
_MEMO_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
_ALLOWED = _IMAGE_OPCODES | _MEMO_WRITES | {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "DUP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "GET", "BINGET", "LONG_BINGET", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
}  # fmt: skip
_SIZE_LIMIT = 64 << 30


class _Dtype:
    """Stands in for numpy.dtype: remembers the type's name and byte order."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name.decode("latin-1") if isinstance(name, bytes) else name
        if not isinstance(self.name, str):
            raise DataError("holds a numpy array of no type")
        if self.name not in {"b1", "?", "bool", "u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8"}:
            raise DataError(f"holds a numpy array of type {self.name[:20]!r}")
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        self.order = ">" if order == ">" else "<"

    def real(self) -> np.dtype[Any]:
        name = {"?": "b1", "bool": "b1"}.get(self.name, self.name)
        return np.dtype(self.order + name)


class _Array:
    """Stands in for numpy.ndarray (as `_reconstruct` makes it): filled by its pickled state."""

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] = np.zeros(0, np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, data = state
        self.value = _array(data, dtype, shape)

    @cached_property
    def image(self) -> object:
        """The encoded image, made once however often the file refers to this array."""
        return self.value.tobytes() if self.value.dtype in (np.uint8, np.int8) else self.value


class _ArrayType:
    """Stands in for the class object numpy.ndarray, which is only ever passed along."""

    def __init__(self) -> None:
        raise DataError("makes a bare numpy.ndarray")


def _array(data: object, dtype: object, shape: Sequence[int]) -> NDArray[Any]:
    """Bytes, stand-in type and shape → array; the product of the shape must be what is there."""
    if isinstance(data, str):  # Python 2's numpy strings read as text
        data = data.encode("latin-1")
    if not isinstance(data, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise DataError("holds a numpy array that is not plain numbers")
    sides = [int(n) for n in shape]
    if len(sides) > 4 or (min(sides, default=1) < 1 and sides != [0]):
        raise DataError("holds a numpy array of a shape that no image has")
    return np.frombuffer(data, dtype.real()).reshape(sides)


def _scalar(dtype: object, data: object) -> Any:
    return _array(data, dtype, (1,))[0]


def _from_buffer(data: object, dtype: object, shape: Sequence[int], *_: object) -> _Array:
    array = _Array()
    array.value = _array(data, dtype, shape)
    return array


def _text_to_bytes(text: object, encoding: object = "latin1") -> bytes:
    """What Python 3 writes for bytes at protocol 2: `_codecs.encode(text, 'latin1')`."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise DataError("encodes text in a way that pair files never do")
    return text.encode("latin-1")


def _empty_bytes(*_: object) -> bytes:
    return b""


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _ArrayType,
    ("_codecs", "encode"): _text_to_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "bytes"): _empty_bytes,
}
for _package in ("numpy.core", "numpy._core"):
    _STAND_INS[f"{_package}.multiarray", "_reconstruct"] = _Array
    _STAND_INS[f"{_package}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"{_package}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise DataError(f"wants to use {module}.{name}, which no pair file needs: refused")
        return _STAND_INS[module, name]


def _walk(data: bytes, path: Path) -> None:
    """Read every opcode without executing any; DataError at the first that does not belong."""
    images = opcodes = position = 0
    try:
        for opcode, argument, where in pickletools.genops(data):
            position = where or 0
            opcodes += 1
            if opcode.name not in _ALLOWED:
                raise DataError(
                    f"{path}: byte {position}: pickle opcode {opcode.name} has no place in a "
                    "pair file: refused (is this really a .bin of pairs?)"
                )
            if opcode.name in _MEMO_WRITES and int(argument) > opcodes:
                raise DataError(
                    f"{path}: byte {position}: memo index {argument} is absurd: refused"
                )
            images += opcode.name in _IMAGE_OPCODES
    except DataError:
        raise
    except Exception as error:  # genops raises whatever its decoders raise
        raise DataError(
            f"{path}: pair {images // 2}: the file is truncated or corrupt after byte {position} "
            f"of {len(data)} ({_one_line(error)}); copy or download it again"
        ) from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


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
    _walk(data, path)
    try:
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # a broken pickle can make its machine raise nearly anything
        raise DataError(f"{path}: not a readable pickle of pairs ({_one_line(error)})") from None
    if not isinstance(content, list | tuple) or len(content) != 2:
        raise DataError(f"{path}: holds no (images, issame) tuple")
    images = [_image_bytes(item, i, path) for i, item in enumerate(_items(content[0], path))]
    same = _truth(content[1], path)
    if len(images) != 2 * len(same) or not images:
        raise DataError(f"{path}: {len(images)} images do not make {len(same)} pairs of two")
    return images, same


def _items(value: object, path: Path) -> list[Any]:
    if isinstance(value, _Array):
        return list(value.value)
    if isinstance(value, list | tuple):
        return list(value)
    raise DataError(f"{path}: its images are a {type(value).__name__}, not a list")


def _image_bytes(item: object, index: int, path: Path) -> bytes:
    if isinstance(item, _Array):
        item = item.image
    elif isinstance(item, np.ndarray) and item.dtype in (np.uint8, np.int8):
        item = item.tobytes()  # a row of one array that holds all images
    elif isinstance(item, bytearray):
        item = bytes(item)
    if not isinstance(item, bytes):
        raise DataError(
            f"{path}: pair {index // 2}, image {index % 2} is a {type(item).__name__}, not bytes"
        )
    return item


def _truth(value: object, path: Path) -> NDArray[np.bool_]:
    flags = _items(value, path)
    for k, flag in enumerate(flags):
        if not isinstance(flag, bool | int | np.bool_ | np.integer) or flag not in (0, 1):
            kind = type(flag).__name__
            raise DataError(f"{path}: pair {k}: issame is a {kind} that is neither 0 nor 1")
    return np.array(flags, dtype=bool)


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
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            pickle.dump(
                ([bytes(image) for image in images], [bool(s) for s in same]), file, protocol=4
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
