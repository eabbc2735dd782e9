"""Crops are decoded; images of another size are refused by their header."""

from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import pytest

from arcface_plus.data.images import UndecodableImage, decode
from data_prep.images import encode_as


def _png(side: int) -> bytes:
    """A black PNG: consistent, small as a file, and of `side`² × 3 bytes once decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer, rows = zlib.compressobj(9), []
    for _ in range(side):
        rows.append(packer.compress(bytes(1 + 3 * side)))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"".join([*rows, packer.flush()])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_a_crop_comes_back():
    image = np.full((112, 112, 3), (200, 10, 60), np.uint8)
    assert np.array_equal(decode(encode_as(".png", image)), image)


def test_a_decompression_bomb_is_refused_without_decoding():
    bomb = _png(4000)
    assert len(bomb) < 100_000
    started = time.perf_counter()
    with pytest.raises(UndecodableImage, match="is 4000×4000, not 112×112"):
        decode(bomb)
    assert time.perf_counter() - started < 0.02  # decoding it takes a hundred times as long


def test_other_bytes_are_refused():
    for data in (b"", b"text", encode_as(".jpg", np.zeros((112, 112, 3), np.uint8))[:300]):
        with pytest.raises(UndecodableImage, match="cannot be decoded"):
            decode(data)
