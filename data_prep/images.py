"""Image files of any kind ↔ uint8 RGB arrays, and the walk through a folder tree of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.avif import is_avif, upright
from data_prep.crop_size import SIDE
from data_prep.errors import DataError
from data_prep.image_header import FORMATS, image_header

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_OPTIONAL = (".gif", ".tif", ".tiff", ".avif")  # not in every build of OpenCV
SUFFIXES = (
    _JPEG_SUFFIXES
    | {".png", ".webp", ".bmp"}
    | {suffix for suffix in _OPTIONAL if cv2.haveImageWriter(f"x{suffix}")}
)
ALIGN_REPORT_PICTURE = "align-report.png"
PIXEL_LIMIT = 128_000_000
SIDE_LIMIT = 32_766  # what OpenCV's warps can address

_QUALITY = {
    ".jpg": cv2.IMWRITE_JPEG_QUALITY,
    ".webp": cv2.IMWRITE_WEBP_QUALITY,
    ".avif": cv2.IMWRITE_AVIF_QUALITY,
}

Image = NDArray[np.uint8]


def decode_rgb(data: bytes) -> Image:
    """Encoded image of any of `FORMATS` → (h, w, 3) uint8 RGB, upright.

    EXIF orientation is applied, grey becomes three equal channels, CMYK becomes RGB, 16 bits a
    channel become 8, an alpha channel is dropped, an animation gives its first picture.

    Raises:
        DataError: another format, truncated or corrupt data, over 128 million pixels.
    """
    header = image_header(data)
    if header is None:
        raise DataError(f"not a {FORMATS} image ({len(data)} bytes)")
    if header.width * header.height > PIXEL_LIMIT or max(header[1:]) > SIDE_LIMIT:
        raise DataError(f"{header.width}x{header.height} pixels are too many to decode safely")
    image = decode_unchecked(data)
    if image is None:
        raise DataError(f"truncated or corrupt {header.format.upper()} image ({len(data)} bytes)")
    return image


def decode_unchecked(data: bytes) -> Image | None:
    """As `decode_rgb`, for data whose claimed size has been judged; None where OpenCV gives up."""
    turned = is_avif(data)  # OpenCV knows EXIF's orientation alone, which AVIF overrides
    flags = cv2.IMREAD_COLOR_RGB | (cv2.IMREAD_IGNORE_ORIENTATION if turned else 0)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if image is None:
        return None
    pixels = image.astype(np.uint8, copy=False)
    return upright(data, pixels) if turned else pixels


def read_rgb(path: str | os.PathLike[str]) -> Image:
    """Image file → (h, w, 3) uint8 RGB as `decode_rgb`; DataError names the file."""
    try:
        return decode_rgb(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def encode_jpeg(image: Image, quality: int = 95) -> bytes:
    """(h, w, 3) uint8 RGB → JPEG bytes (chroma at half resolution, as OpenCV's imwrite does)."""
    return encode_as(".jpg", image, quality)


def encode_as(suffix: str, image: Image, quality: int = 95) -> bytes:
    """(h, w, 3) uint8 RGB → bytes of the format that a suffix of `SUFFIXES` names, but not .gif.

    `quality` (1 to 100) counts for JPEG, WebP and AVIF; PNG, BMP and TIFF lose nothing.
    """
    suffix = ".jpg" if suffix.lower() in _JPEG_SUFFIXES else suffix.lower()
    flags = [_QUALITY[suffix], quality] if suffix in _QUALITY else []
    ok, data = cv2.imencode(suffix, image[..., ::-1], flags)
    assert ok
    return data.tobytes()


def center_square(image: Image) -> Image:
    """The largest centred square of an (h, w, 3) image, resized to (112, 112, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    if side == SIDE:
        return square
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return cv2.resize(square, (SIDE, SIDE), interpolation=method).astype(np.uint8, copy=False)


def crop_name(photo: str) -> str:
    """The name of a photo's crop: the photo's own, but a GIF's crop is a PNG.

    GIF has no more than 256 colours, and OpenCV chooses them badly.
    """
    stem, suffix = os.path.splitext(photo)
    return f"{stem}.png" if suffix.lower() == ".gif" else photo


def walk_files(root: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """Folders below `root` with the names of their files, both sorted, one folder at a time.

    Yields (folder relative to root, "" for root itself, with "/" between parts; file names).
    Hidden names are left out; links to folders are followed, but never into a loop. DataError
    where a folder cannot be read.
    """
    yield from _walk(Path(root), "", frozenset())


def _walk(folder: Path, relative: str, above: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}") from None
    yield relative, sorted(files)
    above |= {os.path.realpath(folder)}
    for name in sorted(folders):
        below = folder / name
        if os.path.realpath(below) not in above:
            yield from _walk(below, f"{relative}/{name}" if relative else name, above)


def is_image_name(name: str) -> bool:
    """Whether a file's name has one of `SUFFIXES`, in any case.

    The report picture of `data align` does not count.
    """
    return os.path.splitext(name)[1].lower() in SUFFIXES and name != ALIGN_REPORT_PICTURE


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """While we run a thread per core, OpenCV starts none of its own and logs nothing."""
    threads, level = cv2.getNumThreads(), cv2.utils.logging.getLogLevel()
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        cv2.utils.logging.setLogLevel(level)
