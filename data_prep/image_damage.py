"""Is an encoded image whole? Container first, then pixels."""

from __future__ import annotations

import re

from data_prep.errors import DataError
from data_prep.image_header import image_header
from data_prep.images import decode_rgb

#: In the scan of a JPEG every 0xFF is followed by 0 or a restart marker until the scan ends.
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def container_damage(data: bytes) -> str | None:
    """What is wrong with the file around the pixels: empty, unknown, cut short, or None.

    Decoders differ in what they forgive (a cut JPEG is grey below in some and refused by others),
    so this is looked at apart from them. Takes microseconds.
    """
    if not data:
        return "empty"
    header = image_header(data)
    if header is None:
        return "not a JPEG, PNG, WebP or BMP image"
    if not header.width or not header.height:
        return f"{header.format.upper()} of {header.width}x{header.height} pixels"
    if header.format == "jpeg":
        return _jpeg_damage(data)
    if header.format == "png" and data.rfind(b"IEND") < 0:
        return "truncated PNG (no end chunk)"
    if header.format == "webp" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        return "truncated WebP"
    if header.format == "bmp" and len(data) < int.from_bytes(data[2:6], "little"):
        return "truncated BMP"
    return None


def _jpeg_damage(data: bytes) -> str | None:
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


def damage(data: bytes, height: int = 0, width: int = 0) -> str | None:
    """What is wrong with an encoded image, None if it decodes fully.

    With `height` and `width`, another size is wrong too, and is told from the header: an image that
    claims to be huge is not decoded. Releases the GIL while decoding.
    """
    if reason := container_damage(data):
        return reason
    header = image_header(data)
    assert header is not None
    if height and sorted(header[1:]) != sorted((height, width)):  # EXIF may turn it by 90 degrees
        return other_size(header.width, header.height, width, height)
    try:
        pixels = decode_rgb(data)
    except DataError as error:
        return str(error)
    if height and pixels.shape[:2] != (height, width):
        return other_size(pixels.shape[1], pixels.shape[0], width, height)
    return None


def other_size(width: int, height: int, wanted_width: int, wanted_height: int) -> str:
    """The reason that `damage` gives for a sound image of another size."""
    return f"{width}x{height} pixels, not {wanted_width}x{wanted_height}"
