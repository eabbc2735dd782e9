"""Unpickling untrusted files: lists, tuples, dicts, strings, numbers and plain numpy arrays only.

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
from typing import Any, Literal, NamedTuple, NoReturn

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
_EXPENSIVE_FREE = 1000
_LISTS = {"EMPTY_LIST", "LIST", "EMPTY_DICT", "DICT"}
_LISTS_LIMIT = 100
_LARGE_INTEGERS = {"INT", "LONG", "LONG1", "LONG4"}
_PLAIN = frozenset(
    _IMAGES | _MEMO_WRITES | _EXPENSIVE | {
        "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
        "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE",
        "BININT", "BININT1", "BININT2",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
        "GET", "BINGET", "LONG_BINGET", "MEMOIZE", "GLOBAL", "STACK_GLOBAL",
    }
)  # fmt: skip


class Rules(NamedTuple):
    """What pickles of a kind of file may hold, and how messages speak of them."""

    name: str
    hint: str
    opcodes: frozenset[str]
    expensive_share: float
    """Expensive opcodes per opcode, beyond the first thousand."""
    images_of_a_pair: bool
    """Whether its byte strings are the images of pairs, so that a message can count them."""


PAIR_FILE = Rules(
    "pair file", " (is this really a .bin of pairs?)", _PLAIN | _LARGE_INTEGERS, 0.5, True
)
#: Keys of a dict are hashed, and values that all have the same hash cost quadratic time. Those of
#: strings and of small integers cannot be chosen so; large integers are refused, tuples are few.
CIFAR_BATCH = Rules(
    "CIFAR batch",
    " (is this really a file of CIFAR's Python version?)",
    _PLAIN | {"EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"},
    0.0,
    False,
)

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


def load(data: bytes, rules: Rules = PAIR_FILE) -> Any:
    """The object that `data` pickles; DataError (without a file name) for whatever is not plain.

    Byte strings of Python 2 become bytes, numpy arrays PickledArray, numpy scalars themselves.
    """
    _walk(data, rules)
    try:
        return _Unpickler(data, rules).load()
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a broken pickle can make its machine raise nearly anything
        raise DataError(f"not a readable {rules.name} ({first_line(error, 120)})") from None


def _walk(data: bytes, rules: Rules) -> None:
    """Read every opcode without executing any; DataError at the first that does not belong."""
    at = opcodes = images = lists = expensive = 0
    while True:
        name, size = _OPCODES.get(data[at], ("", 0)) if at < len(data) else ("", 0)
        if not name:
            why = "an opcode is missing" if at == len(data) else "no opcode"
            _cut_short(data, at, images, why, rules)
        if name not in rules.opcodes:
            raise DataError(
                f"byte {at}: pickle opcode {name} has no place in a {rules.name}: refused"
                f"{rules.hint}"
            )
        if name == "STOP":
            return
        end = _end_of_argument(data, at + 1, name, size)
        if end is None or end > len(data):
            _cut_short(data, at, images, f"{name} wants more bytes than there are", rules)
        opcodes += 1
        images += name in _IMAGES
        lists += name in _LISTS
        expensive += name in _EXPENSIVE
        if name in _MEMO_WRITES and _memo_index(data[at + 1 : end], name) > opcodes:
            raise DataError(f"byte {at}: {name} writes to an absurd memo index: refused")
        if lists > _LISTS_LIMIT or expensive > _EXPENSIVE_FREE + rules.expensive_share * opcodes:
            raise DataError(f"byte {at}: more lists or tuples than a {rules.name} has: refused")
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


def _cut_short(data: bytes, at: int, images: int, why: str, rules: Rules) -> NoReturn:
    place = f"pair {images // 2}: the file is" if rules.images_of_a_pair else "it is"
    raise DataError(
        f"{place} truncated or corrupt at byte {at} of {len(data)} ({why});"
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
        self._order: Literal["C", "F"] = "C"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, columns_first, data = state
        self.fill(data, dtype, shape, "F" if columns_first is True else "C")

    def fill(self, data: object, dtype: object, shape: object, order: object = "C") -> None:
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
        self._order = "F" if order in ("F", b"F") else "C"

    @property
    def is_bytes(self) -> bool:
        """Whether its elements are single bytes, as those of an encoded image."""
        return self._dtype in (np.uint8, np.int8)

    def array(self) -> NDArray[Any]:
        """A view of `data`, read only if that is bytes."""
        return np.frombuffer(self.data, self._dtype).reshape(self._shape, order=self._order)


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
    array.fill(data, dtype, shape, order)
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
    def __init__(self, data: bytes, rules: Rules) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._text_left = len(data)
        self._rules = rules

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._text_to_bytes
        if (module, name) not in _STAND_INS:
            wanted = " ".join(f"{module}.{name}".split())[:80]
            raise DataError(f"wants to use {wanted}, which no {self._rules.name} needs: refused")
        return _STAND_INS[module, name]

    def _text_to_bytes(self, text: object, encoding: object = "latin1") -> bytes:
        """What Python 3 writes for bytes at protocols 0 to 2: `_codecs.encode(text, 'latin1')`.

        Each text of an honest file is encoded once, so all of them are no longer than the file.
        """
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise DataError("encodes text in a way that such files never do")
        self._text_left -= len(text)
        if self._text_left < 0:
            raise DataError("encodes more text than it holds: refused")
        return text.encode("latin-1")
