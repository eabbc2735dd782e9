"""Is an encoded image intact? The container is checked first, then the pixels."""

from __future__ import annotations

from data_prep.errors import DataError
from data_prep.image_container import container_damage
from data_prep.image_header import image_header
from data_prep.images import decode_rgb


class OtherSize(str):
    """The reason that `damage` gives for a sound image of another size than wanted."""


def damage(data: bytes, height: int = 0, width: int = 0) -> str | None:
    """What is wrong with an encoded image, None if it decodes fully.

    With `height` and `width`, another size is wrong too (an `OtherSize`); it is read from the
    header, so an image that claims to be huge is not decoded. Releases the GIL while decoding.
    """
    if reason := container_damage(data):
        return reason
    header = image_header(data)
    assert header is not None
    if height and sorted(header[1:]) != sorted((height, width)):  # EXIF may turn it by 90 degrees
        return OtherSize(f"{header.width}x{header.height} pixels, not {width}x{height}")
    try:
        pixels = decode_rgb(data)
    except DataError as error:
        return str(error)
    if height and pixels.shape[:2] != (height, width):
        return OtherSize(f"{pixels.shape[1]}x{pixels.shape[0]} pixels, not {width}x{height}")
    return None
