"""Format and size of an image are read from its first bytes, whatever these are."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from data_prep.image_header import image_header

PHOTO = Pil.fromarray(np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8))


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    PHOTO.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
def test_size_of_each_format(kind: str) -> None:
    assert image_header(encoded(kind)) == (kind.lower(), 70, 40)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" + bytes(3000)}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0" + bytes(30)}),  # the extended format
        ("TIFF", {"big_tiff": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_variants(kind: str, options: dict[str, object]) -> None:
    assert image_header(encoded(kind, **options)) == (kind.lower(), 70, 40)


def test_bitmaps_from_top_to_bottom_and_of_os2() -> None:
    data = bytearray(encoded("BMP"))
    data[22:26] = struct.pack("<i", -40)
    assert image_header(bytes(data)) == ("bmp", 70, 40)
    os2 = b"BM" + bytes(12) + struct.pack("<IHH", 12, 70, 40) + bytes(20)
    assert image_header(os2) == ("bmp", 70, 40)


def test_fill_bytes_before_a_marker() -> None:
    data = cv2.imencode(".jpg", np.zeros((40, 70, 3), np.uint8))[1].tobytes()
    assert image_header(data[:2] + b"\xff\xff" + data[2:]) == ("jpeg", 70, 40)


@pytest.mark.parametrize(
    "stub",
    [
        b"",
        b"\xff\xd8\xff",
        b"RIFF0000WEBPVP8",
        b"BM",
        b"\x89PNG",
        b"GIF89a\x01",
        b"II*\0",
        b"MM\0*\0",
    ],
)
def test_header_of_a_stub_is_none(stub: bytes) -> None:
    assert image_header(stub) is None


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            b"",
            b"\xff\xd8",
            b"RIFF0000WEBP",
            b"BM",
            b"GIF89a",
            b"II*\0",
            b"MM\0+",
            b"\0\0\0\x18ftypavif",
        ]
    ),
    st.binary(max_size=200),
)
def test_header_survives_any_bytes(start: bytes, rest: bytes) -> None:
    header = image_header(start + rest)
    assert header is None or min(header[1:]) >= 0
