"""Sound images of every kind pass; cut, corrupt and lying ones are not decoded."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Pil

import data_prep.image_damage
from data_prep.image_damage import damage, other_size


def face(seed: int, side: int = 112, suffix: str = ".jpg", flags: tuple[int, ...] = ()) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(suffix, pixels, flags)[1].tobytes()


def test_small_files_that_claim_to_be_large() -> None:
    png = bytearray(face(0, 9, ".png"))
    png[33:37] = (0x7FFFFFF0).to_bytes(4, "big")  # the length of the chunk after the header
    assert damage(bytes(png)) == "truncated PNG (no end chunk)"
    jpeg = bytearray(face(0, 16))
    at = jpeg.find(b"\xff\xc0") + 5
    jpeg[at : at + 4] = (11_000).to_bytes(2, "big") * 2
    assert damage(bytes(jpeg)) == f"{len(jpeg)} bytes cannot hold 11000x11000 pixels"
    assert damage(face(0, 2000, ".png")) is None
    flat = cv2.imencode(".jpg", np.zeros((3000, 3000), np.uint8))[1].tobytes()
    assert damage(flat) is None


def test_sound_images_of_every_kind() -> None:
    progressive = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    restarts = (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    jpegs = [face(0), face(0, flags=progressive), face(0, flags=restarts), face(0, 300)]
    thumbnail = jpegs[0][:2] + b"\xff\xe1" + (len(jpegs[1]) + 2).to_bytes(2, "big") + jpegs[1]
    jpegs += [thumbnail + jpegs[0][2:], jpegs[0] + bytes(7), jpegs[0] + b"trailer"]
    for image in [
        *jpegs,
        *(face(0, suffix=s) for s in (".png", ".webp", ".bmp", ".gif", ".tiff", ".avif")),
    ]:
        assert damage(image) is None
    for jpeg in jpegs[:5]:
        for length in (len(jpeg) - 2, len(jpeg) * 3 // 4, len(jpeg) // 2):
            assert damage(jpeg[:length]) is not None
    assert damage(face(0, 100), 112, 112) == "100x100 pixels, not 112x112"


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".gif", ".tiff", ".avif"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_cut_file_of_any_format_is_damaged(suffix: str, part: float) -> None:
    data = face(0, suffix=suffix)
    assert damage(data) is None
    assert damage(data[: int(len(data) * part)]) is not None
    assert damage(data[:-1]) is not None


def test_pixels_that_do_not_decode() -> None:
    data = bytearray(face(0, suffix=".png"))
    at = data.index(b"IDAT") + 4
    data[at : at + 40] = bytes(40)
    assert damage(bytes(data)) == f"truncated or corrupt PNG image ({len(data)} bytes)"


def test_orientation_may_turn_the_size() -> None:
    exif = Pil.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Pil.new("RGB", (60, 40)).save(file, "JPEG", exif=exif)
    assert damage(file.getvalue(), 60, 40) is None
    assert damage(file.getvalue(), 40, 60) == other_size(40, 60, 60, 40)


def test_another_size_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_prep.image_damage, "decode_rgb", None)
    assert damage(face(0, 300), 112, 112) == "300x300 pixels, not 112x112"
