"""Unpickling untrusted files: lists, tuples, strings, numbers and plain numpy arrays only.

A pickle is a program for a small stack machine. It is judged before it runs: every opcode is walked
without being executed, only those that build plain values are let through, every length is checked
against the file, and so is the number of opcodes that make much out of few bytes. Then it runs with
stand-ins in place of numpy's constructors; any other global is refused. The stand-ins take a fixed
number of arguments, look at lengths before contents and copy nothing twice, so that memory and time
stay in proportion to the file even if it refers to one large object a million times.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError, first_line

_IMAGES = {
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8",
}  # fmt: skip
_MEMO_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
#: Opcodes of one byte that make an object of up to a few hundred, and how many a file may hold in
#: all and per opcode. Arrays need a quarter, plain lists of bytes next to none.
_EXPENSIVE = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE", "BUILD"}
_EXPENSIVE_FREE, _EXPENSIVE_SHARE = 1000, 0.5
_LISTS = {"EMPTY_LIST", "LIST"}
_LISTS_LIMIT = 100
_ALLOWED = _IMAGES | _MEMO_WRITES | _EXPENSIVE | _LISTS | {
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "APPEND", "APPENDS",
    "GET", "BINGET", "LONG_BINGET", "MEMOIZE", "GLOBAL", "STACK_GLOBAL",
}  # fmt: skip

#: How an opcode's length field is stored: bytes it takes, whether it has a sign.
_COUNTS = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
#: Code → (name, size of its argument in bytes, or one of pickletools' negative codes).
_OPCODES = {ord(op.code): (op.name, op.arg.n if op.arg else 0) for op in pickletools.opcodes}
_TYPES = {"b1", "?", "bool", "u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8"}
_SIDES_LIMIT = 4


def load(data: bytes) -> Any:
    """The object that `data` pickles; DataError (without a file name) for whatever is not plain.

    Byte strings of Python 2 become bytes, numpy arrays PickledArray, numpy scalars themselves.
    """
    _walk(data)
    try:
        return _Unpickler(data).load()
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a broken pickle can make its machine raise nearly anything
        raise DataError(f"not a readable pickle of pairs ({first_line(error, 120)})") from None


def _walk(data: bytes) -> None:
    """Read every opcode without executing any; DataError at the first that does not belong."""
    at = opcodes = images = lists = expensive = 0
    while True:
        name, size = _OPCODES.get(data[at], ("", 0)) if at < len(data) else ("", 0)
        if not name:
            _cut_short(data, at, images, "an opcode is missing" if at == len(data) else "no opcode")
        if name not in _ALLOWED:
            raise DataError(
                f"byte {at}: pickle opcode {name} has no place in a pair file: refused "
                "(is this really a .bin of pairs?)"
            )
        if name == "STOP":
            return
        end = _end_of_argument(data, at + 1, name, size)
        if end is None or end > len(data):
            _cut_short(data, at, images, f"{name} wants more bytes than there are")
        opcodes += 1
        images += name in _IMAGES
        lists += name in _LISTS
        expensive += name in _EXPENSIVE
        if name in _MEMO_WRITES and _memo_index(data[at + 1 : end], name) > opcodes:
            raise DataError(f"byte {at}: {name} writes to an absurd memo index: refused")
        if lists > _LISTS_LIMIT or expensive > _EXPENSIVE_FREE + _EXPENSIVE_SHARE * opcodes:
            raise DataError(f"byte {at}: more lists or tuples than a pair file has: refused")
        at = end


def _end_of_argument(data: bytes, at: int, name: str, size: int) -> int | None:
    """Where the argument that starts at `at` ends; None if not even its length is there."""
    if size >= 0:
        return at + size
    if size == pickletools.UP_TO_NEWLINE:
        for _ in range(2 if name == "GLOBAL" else 1):
            at = data.find(b"\n", at) + 1
            if not at:
                return None
        return at
    width, signed = _COUNTS[size]
    if at + width > len(data):
        return None
    count = int.from_bytes(data[at : at + width], "little", signed=signed)
    return at + width + count if count >= 0 else None


def _cut_short(data: bytes, at: int, images: int, why: str) -> NoReturn:
    raise DataError(
        f"pair {images // 2}: the file is truncated or corrupt at byte {at} of {len(data)} ({why});"
        " copy or download it again"
    )


def _memo_index(argument: bytes, name: str) -> int:
    if name != "PUT":
        return int.from_bytes(argument, "little")
    digits = argument.strip()
    return int(digits) if digits.isdigit() and len(digits) < 19 else 1 << 62


class _Dtype:
    """Stands in for numpy.dtype: remembers the type's name and byte order."""

    def __init__(self, name: object, align: object = False, copy: object = True) -> None:
        text = _short_text(name)
        if text not in _TYPES:
            raise DataError(f"holds a numpy array of type {text!r}, not bytes, integers or bools")
        self.name = "b1" if text in ("?", "bool") else text
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if _short_text(state[1]) == ">" else "<"

    def real(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.name)


def _short_text(value: object) -> str:
    if not isinstance(value, str | bytes) or len(value) > 16:
        raise DataError("holds a numpy array of no plain type")
    return value if isinstance(value, str) else value.decode("latin-1")


class PickledArray:
    """A numpy array as it stands in the file: `data` (bytes or bytearray), its type and shape."""

    def __init__(self, kind: object = None, shape: object = None, typecode: object = None) -> None:
        self.data: bytes | bytearray = b""
        self._shape: tuple[int, ...] = (0,)
        self._dtype = np.dtype(np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, data = state
        self.fill(data, dtype, shape)

    def fill(self, data: object, dtype: object, shape: object) -> None:
        """Take over what numpy would; DataError unless the bytes are what type and shape need."""
        if not isinstance(data, bytes | bytearray) or not isinstance(dtype, _Dtype):
            raise DataError("holds a numpy array that is not plain numbers")
        if not isinstance(shape, tuple) or not 0 < len(shape) <= _SIDES_LIMIT:
            raise DataError("holds a numpy array of a shape that no image has")
        needed = dtype.real().itemsize
        for side in shape:
            if not isinstance(side, int) or side < (0 if len(shape) == 1 else 1):
                raise DataError("holds a numpy array of a shape that no image has")
            needed *= side
            if needed > len(data):
                break
        if needed != len(data):
            raise DataError(f"holds a numpy array of {len(data)} bytes that claims another size")
        self.data, self._dtype, self._shape = data, dtype.real(), shape

    @property
    def is_bytes(self) -> bool:
        """Whether its elements are single bytes, as those of an encoded image."""
        return self._dtype in (np.uint8, np.int8)

    def array(self) -> NDArray[Any]:
        """A view of `data`, read only if that is bytes."""
        return np.frombuffer(self.data, self._dtype).reshape(self._shape)


class _ArrayType:
    """Stands in for the class object numpy.ndarray, which is only ever passed along."""

    def __init__(self) -> None:
        raise DataError("makes a bare numpy.ndarray")


def _scalar(dtype: object, data: object) -> Any:
    array = PickledArray()
    array.fill(data, dtype, (1,))
    return array.array()[0]


def _from_buffer(
    data: object, dtype: object, shape: object, order: object = "C", axes: object = None
) -> PickledArray:
    array = PickledArray()
    array.fill(data, dtype, shape)
    return array


def _empty_bytes() -> bytes:
    return b""


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _ArrayType,
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "bytes"): _empty_bytes,
}
for _package in ("numpy.core", "numpy._core"):
    _STAND_INS[f"{_package}.multiarray", "_reconstruct"] = PickledArray
    _STAND_INS[f"{_package}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"{_package}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._text_left = len(data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._text_to_bytes
        if (module, name) not in _STAND_INS:
            wanted = " ".join(f"{module}.{name}".split())[:80]
            raise DataError(f"wants to use {wanted}, which no pair file needs: refused")
        return _STAND_INS[module, name]

    def _text_to_bytes(self, text: object, encoding: object = "latin1") -> bytes:
        """What Python 3 writes for bytes at protocols 0 to 2: `_codecs.encode(text, 'latin1')`.

        Each text of an honest file is encoded once, so all of them are no longer than the file.
        """
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise DataError("encodes text in a way that pair files never do")
        self._text_left -= len(text)
        if self._text_left < 0:
            raise DataError("encodes more text than it holds: refused")
        return text.encode("latin-1")
