"""Format and size of an encoded image from its first bytes, without decoding it.

It answers two questions: may these bytes be stored as they are (a 112x112 JPEG may), and would the
decoded image fit into memory (a few kilobytes of PNG can claim gigabytes of pixels)?
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from data_prep import avif, tiff

#: The formats that are read, for messages.
FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF"


class ImageHeader(NamedTuple):
    """`format` is jpeg, png, webp, bmp, gif, tiff or avif; the size is before EXIF orientation."""

    format: str
    width: int
    height: int


def image_header(data: bytes) -> ImageHeader | None:
    """Header of an image in one of `FORMATS`; None for anything else, or a header cut short."""
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return ImageHeader("png", *struct.unpack_from(">II", data, 16))
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return ImageHeader("gif", *struct.unpack_from("<HH", data, 6))
        if data.startswith(tiff.MAGIC):
            return ImageHeader("tiff", *tiff.size(data))
        if avif.is_avif(data):
            return ImageHeader("avif", *avif.size(data))
    except (struct.error, IndexError, KeyError):  # cut short inside its header
        pass
    return None


def _jpeg(data: bytes) -> ImageHeader | None:
    """Hop from marker to marker until a start of frame (ITU T.81, B.2.2) gives the size."""
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # has no length
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return ImageHeader("jpeg", width, height)
        elif marker in (0xD9, 0xDA):  # the pixels begin, or the file ends, without a size
            return None
        else:
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])


def _webp(data: bytes) -> ImageHeader | None:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        low, high, low2, high2 = struct.unpack_from("<HBHB", data, 24)
        return ImageHeader("webp", (low | high << 16) + 1, (low2 | high2 << 16) + 1)
    return None


def _bmp(data: bytes) -> ImageHeader:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the header of OS/2
        return ImageHeader("bmp", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return ImageHeader("bmp", abs(width), abs(height))  # a negative height: rows top to bottom
