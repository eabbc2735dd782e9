"""Is the file around an image's pixels complete? Found without decoding it, in microseconds.

Decoders differ in what they accept (some fill a truncated JPEG with grey, others refuse it), and
some trust the sizes that a file claims (a hundred bytes can claim gigabytes). So this is checked
before any decoder runs.
"""

from __future__ import annotations

import re

from data_prep import avif, tiff
from data_prep.image_header import FORMATS, image_header

#: In the scan of a JPEG every 0xFF is followed by 0 or a restart marker until the scan ends.
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
#: Whatever is not a pixel of a JPEG whose scan has no restart markers.
_ANY_MARKER = re.compile(rb"\xff[^\x00]")
_START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
#: How many pixels a byte can stand for at the very most, where a format has such a limit: in a JPEG
#: every 8x8 block takes a bit, deflate shrinks by 1032 and a PNG pixel has a bit at least.
_PIXELS_A_BYTE = {"jpeg": 1024, "png": 8 * 1032, "bmp": 1024, "gif": 4096}
_NO_LIMIT = 1 << 40
_MODEST = 1 << 20  # pixels that are always affordable


def container_damage(data: bytes) -> str | None:
    """What is wrong with the file around the pixels: empty, unknown, cut short, or None."""
    if not data:
        return "empty"
    header = image_header(data)
    if header is None:
        return f"not a {FORMATS} image"
    if not header.width or not header.height:
        return f"{header.format.upper()} of {header.width}x{header.height} pixels"
    densest = _PIXELS_A_BYTE.get(header.format, _NO_LIMIT)
    if header.width * header.height > _MODEST + densest * len(data):
        return f"{len(data)} bytes cannot hold {header.width}x{header.height} pixels"
    if header.format == "jpeg":
        return _jpeg_damage(data)
    if header.format == "png":
        return _png_damage(data)
    if header.format == "webp" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        return "truncated WebP"
    if header.format == "bmp" and len(data) < int.from_bytes(data[2:6], "little"):
        return "truncated BMP"
    if header.format == "gif":
        return _gif_damage(data)
    if header.format == "tiff" and not tiff.is_whole(data):
        return "truncated TIFF"
    if header.format == "avif" and not avif.is_whole(data):
        return "truncated AVIF"
    return None


def _jpeg_damage(data: bytes) -> str | None:
    # Nearly all: one scan, and the first marker after its start ends both it and the file.
    first = _ANY_MARKER.search(data, data.find(_START_OF_SCAN) + 2)
    if first and first.end() == len(data) and data.endswith(END_OF_IMAGE):
        return None
    last = data.rfind(_START_OF_SCAN)
    end = data.find(END_OF_IMAGE, max(last, 0))
    if end < 0:
        return "truncated JPEG (no end of image)"
    plain = data.count(b"\xff\x00", last, end) == data.count(b"\xff", last + 2, end)
    if not plain:  # the slow way, for restart markers and for what does not belong
        found = _MARKER.search(data, last + 2, end + 2)
        if found and found.end() != end + 2:
            return f"corrupt JPEG (marker {data[found.end() - 1]:02x} among the pixels)"
    return None


def _png_damage(data: bytes) -> str | None:
    """Hop from chunk to chunk: decoders trust their lengths and allocate what they claim."""
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        if data[at + 4 : at + 8] == b"IEND":
            return None
        at = end
    return "truncated PNG (no end chunk)"


def _gif_damage(data: bytes) -> str | None:
    """Hop from block to block (GIF89a, sections 17 to 27) to the trailer."""
    try:
        at = 13 + _colour_table(data[10])
        while data[at] != 0x3B:  # the trailer
            if data[at] == 0x2C:  # an image: its descriptor, a colour table, the code size, data
                at += 11 + _colour_table(data[at + 9])
            elif data[at] == 0x21:  # an extension: its label, data
                at += 2
            else:
                return f"corrupt GIF (no block begins with {data[at]:02x})"
            while data[at]:
                at += 1 + data[at]
            at += 1
    except IndexError:
        return "truncated GIF"
    return None


def _colour_table(flags: int) -> int:
    """Bytes of the colour table that a descriptor's flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
