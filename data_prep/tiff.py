"""TIFF's first directory: the size of its image, and whether all its pixels are in the file.

TIFF 6.0, section 2, and BigTIFF, whose offsets have 64 bits.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT = 256, 257
_PIXELS = ((273, 279), (324, 325))  # offsets and byte counts: of strips, of tiles
_TYPES = {3: "H", 4: "I", 16: "Q"}  # SHORT, LONG, LONG8


class _Entry(NamedTuple):
    """Where the values of a tag stand, how many they are, and `struct`'s letter for their type."""

    at: int
    number: int
    letter: str


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; struct.error or KeyError if they are not there."""
    order, entries = _directory(data)
    return _values(data, order, entries[_WIDTH])[0], _values(data, order, entries[_HEIGHT])[0]


def is_whole(data: bytes) -> bool:
    """Whether all strips or tiles of the first image lie within `data`."""
    try:
        order, entries = _directory(data)
        starts, lengths = next(pair for pair in _PIXELS if pair[0] in entries)
        ends = zip(
            _values(data, order, entries[starts]),
            _values(data, order, entries[lengths]),
            strict=True,
        )
        return all(start + length <= len(data) for start, length in ends)
    except (struct.error, KeyError, StopIteration, ValueError):
        return False


def _directory(data: bytes) -> tuple[str, dict[int, _Entry]]:
    """The byte order and the numeric tags of the first directory."""
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (at,) = _unpack(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = _unpack(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    step, inline = (20, 8) if big else (12, 4)
    if count * step > len(data):
        raise struct.error("more tags than bytes")
    entries = {}
    for start in range(at, at + count * step, step):
        tag, kind, number = _unpack(order + ("HHQ" if big else "HHI"), data, start)
        letter = _TYPES.get(kind)
        if letter is None:
            continue
        value = start + step - inline
        if struct.calcsize(letter) * number > inline:
            (value,) = _unpack(order + ("Q" if big else "I"), data, value)
        entries[tag] = _Entry(value, number, letter)
    return order, entries


def _values(data: bytes, order: str, entry: _Entry) -> tuple[int, ...]:
    if not 0 < entry.number <= len(data):
        raise struct.error("no such number of values fits")
    return _unpack(f"{order}{entry.number}{entry.letter}", data, entry.at)


def _unpack(form: str, data: bytes, at: int) -> tuple[int, ...]:
    if at > len(data):  # of 64 bits perhaps, which `struct` cannot address
        raise struct.error("beyond the end")
    return struct.unpack_from(form, data, at)
