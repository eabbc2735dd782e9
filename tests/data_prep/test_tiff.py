"""A TIFF's size and wholeness, in both byte orders and in strips and tiles."""

from __future__ import annotations

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from data_prep import tiff

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)


def encoded(**options: object) -> bytes:
    file = io.BytesIO()
    Pil.fromarray(PIXELS).save(file, "TIFF", **options)
    return file.getvalue()


VARIANTS = {
    "plain": {},
    "big": {"big_tiff": True},
    "many strips": {"tiffinfo": {278: 7}},
    "deflate": {"compression": "tiff_adobe_deflate"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_size_and_wholeness(name: str) -> None:
    data = encoded(**VARIANTS[name])
    assert tiff.size(data) == (50, 60)
    assert tiff.is_whole(data)
    assert not tiff.is_whole(data[:-1]) or not tiff.is_whole(data[: len(data) // 2])
    for length in (0, 3, 9, 40):
        assert not tiff.is_whole(data[:length])


def test_big_endian_and_tiles() -> None:
    """Width as SHORT and height as LONG in big endian; the pixels are one tile of eight bytes."""
    tags = [(256, 3, 1, 300 << 16), (257, 4, 1, 200), (324, 4, 1, 100), (325, 4, 1, 8)]
    directory = struct.pack(">H", len(tags)) + b"".join(struct.pack(">HHII", *t) for t in tags)
    data = (b"MM\0*" + struct.pack(">I", 8) + directory).ljust(108, b"\0")
    assert tiff.size(data) == (300, 200)
    assert tiff.is_whole(data)
    assert not tiff.is_whole(data[:107])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutations_raise_what_the_header_catches(draw: st.DataObject) -> None:
    data = bytearray(encoded()[:500])
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    tiff.is_whole(bytes(data))
    with contextlib.suppress(struct.error, KeyError):
        tiff.size(bytes(data))


def test_offsets_beyond_what_can_be_addressed() -> None:
    data = b"MM\0+" + bytes(4) + b"\x80" + bytes(15)
    assert not tiff.is_whole(data)
    with pytest.raises(struct.error):
        tiff.size(data)
