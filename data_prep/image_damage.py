"""Is an encoded image intact? The container is checked first, then the pixels."""

from __future__ import annotations

from data_prep.errors import DataError
from data_prep.image_container import container_damage
from data_prep.image_header import image_header
from data_prep.images import decode_rgb


def damage(data: bytes, height: int = 0, width: int = 0) -> str | None:
    """What is wrong with an encoded image, None if it decodes fully.

    With `height` and `width`, another size is wrong too; it is read from the header, so an image
    that claims to be huge is not decoded. Releases the GIL while decoding.
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
