"""AVIF's boxes (ISO/IEC 14496-12, 23008-12): size, orientation, and whether the file is whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BRANDS = (b"avif", b"avis")
_PATH = (b"meta", b"iprp", b"ipco")  # the boxes in each other that hold the image's properties


def is_avif(data: bytes) -> bool:
    """Whether the file type box names one of AVIF's brands."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    return any(brand in _BRANDS for brand in brands)


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, the largest of the file (others are thumbnails or tiles).

    KeyError if it states none.
    """
    extents = [struct.unpack_from(">II", data, at + 4) for at in _properties(data, b"ispe")]
    if not extents:
        raise KeyError("ispe")
    width, height = max(extents, key=lambda extent: extent[0] * extent[1])
    return width, height


def upright(data: bytes, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The decoded (h, w, 3) image turned and mirrored as the file's irot and imir boxes say."""
    for at in _properties(data, b"irot")[:1]:
        image = np.rot90(image, data[at] & 3)  # anticlockwise, as in the standard
    for at in _properties(data, b"imir")[:1]:
        image = image[:, ::-1] if data[at] & 1 else image[::-1]
    return np.ascontiguousarray(image)


def _properties(data: bytes, wanted: bytes) -> list[int]:
    """Where the contents of the image's properties of one kind begin."""
    start, end = 0, len(data)
    for box in _PATH:
        start, end = next(
            ((at, stop) for name, at, stop in _boxes(data, start, end) if name == box), (0, 0)
        )
        start += 4 * (box == b"meta")  # version and flags come first
    found = [(at, stop) for name, at, stop in _boxes(data, start, end) if name == wanted]
    return [at for at, stop in found if at < stop <= len(data)]


def is_whole(data: bytes) -> bool:
    """Whether the outermost boxes fill the file exactly, the image's data among them."""
    found = list(_boxes(data, 0, 1 << 62))
    whole = all(stop <= len(data) for _, _, stop in found)
    return whole and any(name in (b"mdat", b"idat") for name, _, _ in found)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box from `at`; the last may reach beyond `end`."""
    while at + 8 <= min(end, len(data)):
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1 and at + 16 <= len(data):  # 64 bits of length follow
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = len(data) if length == 0 else at + length
        if stop < start:
            return
        yield name, start, stop
        at = stop
