"""An AVIF's size, wholeness and orientation, from its boxes."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Pil

from data_prep import avif

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8), (100, 80))


def encoded(orientation: int = 1) -> bytes:
    file = io.BytesIO()
    exif = Pil.Exif()
    exif[0x0112] = orientation
    Pil.fromarray(PIXELS).save(file, "AVIF", exif=exif)
    return file.getvalue()


def test_size_and_wholeness() -> None:
    data = encoded()
    assert avif.is_avif(data)
    assert avif.size(data) == (100, 80)
    assert avif.is_whole(data)
    for length in (len(data) - 1, len(data) // 2, data.index(b"mdat") - 4):
        assert not avif.is_whole(data[:length])


def test_what_is_no_avif() -> None:
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    assert not avif.is_avif(heic)
    assert avif.is_avif(b"\0\0\0\x1cftypmif1\0\0\0\0miafavif")
    with pytest.raises(KeyError):
        avif.size(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif")


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, PIXELS), (2, PIXELS[:, ::-1]), (3, PIXELS[::-1, ::-1]), (4, PIXELS[::-1]),
        (5, PIXELS.swapaxes(0, 1)), (6, np.rot90(PIXELS, -1)),
        (7, np.rot90(PIXELS, 2).swapaxes(0, 1)), (8, np.rot90(PIXELS)),
    ],
)  # fmt: skip
def test_upright(orientation: int, turned: np.ndarray) -> None:
    made = avif.upright(encoded(orientation), PIXELS)
    assert made.shape == turned.shape
    assert (made == turned).all()
