"""Every kind of image file comes out as upright RGB, and broken ones as DataError."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from data_prep.errors import DataError
from data_prep.image_header import image_header
from data_prep.images import (
    SUFFIXES,
    center_square,
    crop_name,
    decode_rgb,
    encode_as,
    encode_jpeg,
    is_image_name,
    read_rgb,
    walk_files,
)

# Red grows to the right, green downwards, blue is constant: orientation and channel order show.
WIDTH, HEIGHT = 96, 64
ACROSS, DOWN = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
PHOTO = np.stack([ACROSS, DOWN, np.full_like(DOWN, 60)], -1).astype(np.uint8)
KINDS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")


def encoded(image: Pil.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 95} if kind in ("JPEG", "WEBP") else {}), **options)
    return file.getvalue()


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    assert a.shape == b.shape
    assert a.dtype == np.uint8
    assert np.abs(a.astype(int) - b).mean() < tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_reads_each_format(kind: str) -> None:
    data = encoded(Pil.fromarray(PHOTO), kind)
    close(decode_rgb(data), PHOTO, 3)
    assert image_header(data) == (kind.lower(), WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_applies_exif_orientation(kind: str, orientation: int) -> None:
    exif = Pil.Exif()
    exif[0x0112] = orientation
    how = {
        1: PHOTO,
        2: PHOTO[:, ::-1],
        3: PHOTO[::-1, ::-1],
        4: PHOTO[::-1],
        5: PHOTO.swapaxes(0, 1),
        6: np.rot90(PHOTO, -1),
        7: np.rot90(PHOTO, 2).swapaxes(0, 1),
        8: np.rot90(PHOTO, 1),
    }
    close(decode_rgb(encoded(Pil.fromarray(PHOTO), kind, exif=exif)), how[orientation], 3)


@pytest.mark.parametrize("kind", KINDS)
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    grey = decode_rgb(encoded(Pil.fromarray(PHOTO).convert("L"), kind))
    close(grey, np.repeat(np.array(Pil.fromarray(PHOTO).convert("L"))[..., None], 3, -1), 3)
    assert (np.ptp(grey, axis=-1) <= 2).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_drops_alpha(kind: str) -> None:
    alpha = np.dstack([PHOTO, np.full((HEIGHT, WIDTH), 128, np.uint8)])
    data = encoded(Pil.fromarray(alpha), kind)
    close(decode_rgb(data), PHOTO, 3)
    assert image_header(data) == (kind.lower(), WIDTH, HEIGHT)


def test_reads_palette_one_bit_sixteen_bit_cmyk_and_progressive() -> None:
    pil = Pil.fromarray(PHOTO)
    close(decode_rgb(encoded(pil.quantize(256), "PNG")), PHOTO, 12)
    close(decode_rgb(encoded(pil.convert("CMYK"), "JPEG")), PHOTO, 4)
    data = encoded(pil, "JPEG", progressive=True)
    close(decode_rgb(data), PHOTO, 3)
    assert image_header(data) == ("jpeg", WIDTH, HEIGHT)
    deep = PHOTO[..., 0].astype(np.uint16) * 257
    sixteen = decode_rgb(encoded(Pil.fromarray(deep), "PNG"))
    close(sixteen, np.repeat(PHOTO[..., :1], 3, -1), 1)
    assert set(np.unique(decode_rgb(encoded(pil.convert("1"), "PNG")))) == {0, 255}
    lossless = encoded(pil, "WEBP", lossless=True)
    assert (decode_rgb(lossless) == PHOTO).all()
    assert image_header(lossless) == ("webp", WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9])
def test_truncated_images_are_refused(kind: str, part: float) -> None:
    rng = np.random.default_rng(0)
    data = encoded(Pil.fromarray(rng.integers(0, 256, (90, 110, 3), np.uint8)), kind)
    with pytest.raises(DataError, match=r"truncated|not a JPEG|GIF of 0x0"):
        decode_rgb(data[: int(len(data) * part)])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"<html>", b"GIF89b" + bytes(90), bytes(99)])
def test_other_content_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="not a JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF"):
        decode_rgb(data)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "AVIF"])
def test_a_bomb_is_refused_before_it_is_decoded(kind: str) -> None:
    data = bytearray(encoded(Pil.fromarray(PHOTO), kind))
    if kind == "GIF":
        data[6:10] = (60_000).to_bytes(2, "little") * 2
    elif kind == "TIFF":
        for tag in (b"\x00\x01", b"\x01\x01"):  # width, height
            at = data.index(tag + b"\x04\x00\x01\x00\x00\x00") + 8
            data[at : at + 4] = (60_000).to_bytes(4, "little")
    else:
        at = 16 if kind == "PNG" else data.index(b"ispe") + 8
        data[at : at + 8] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(DataError, match="60000x60000 pixels are too many"):
        decode_rgb(bytes(data))


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_an_animation_gives_its_first_picture(kind: str) -> None:
    first, second = Pil.fromarray(PHOTO), Pil.fromarray(PHOTO[:, ::-1].copy())
    close(decode_rgb(encoded(first, kind, save_all=True, append_images=[second])), PHOTO, 3)


def test_read_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: No such file"):
        read_rgb(tmp_path / "gone.jpg")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"broken\.png: not a JPEG"):
        read_rgb(tmp_path / "broken.png")
    with pytest.raises(DataError, match="Is a directory"):
        read_rgb(tmp_path)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".gif"}))
def test_encodes_what_it_decodes(suffix: str) -> None:
    close(decode_rgb(encode_as(suffix, PHOTO)), PHOTO, 4)
    lossless = suffix in (".png", ".bmp", ".tif", ".tiff")
    assert lossless == (decode_rgb(encode_as(suffix.upper(), PHOTO)) == PHOTO).all()


def test_quality_counts() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    assert len(encode_jpeg(noise, 40)) < len(encode_jpeg(noise, 95))
    assert len(encode_as(".webp", noise, 40)) < len(encode_as(".webp", noise, 95))


def test_walk_is_sorted_follows_links_and_survives_loops(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.jpg", "a/x.jpg", "top.png", ".hidden/h.jpg", "a/.x.jpg.partial"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to(tmp_path / "b")
    assert list(walk_files(tmp_path)) == [
        ("", ["top.png"]),
        ("a", ["x.jpg"]),
        ("b", ["1.jpg", "2.jpg"]),
        ("c", ["1.jpg", "2.jpg"]),
    ]
    with pytest.raises(DataError, match="nowhere: No such file"):
        list(walk_files(tmp_path / "nowhere"))


def test_names_of_images() -> None:
    assert all(map(is_image_name, ("a.jpg", "a.JPG", "b/c.Png", "x.webp", "x.bmp", "x.jpeg")))
    assert all(map(is_image_name, ("a.gif", "a.TIF", "b/c.tiff", "x.avif")))
    assert not any(map(is_image_name, ("a.txt", "jpg", "a.jpg.partial", "a.heic", "")))


VALID = [encoded(Pil.fromarray(PHOTO[:16, :16]), kind) for kind in KINDS]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_mutated_images_raise_data_error_alone(data: bytes, draw: st.DataObject) -> None:
    mutated = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        mutated[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        image = decode_rgb(bytes(mutated[: draw.draw(st.integers(1, len(data)))]))
    except DataError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_names_of_crops() -> None:
    assert [crop_name(n) for n in ("a/b.jpg", "c.TIFF", "d/e.Gif")] == [
        "a/b.jpg",
        "c.TIFF",
        "d/e.png",
    ]


def test_center_square_cuts_and_never_stretches() -> None:
    wide = np.zeros((120, 300, 3), np.uint8)
    wide[:, 90:210] = 200
    assert (center_square(wide) == 200).all()
    assert center_square(PHOTO[:50, :40]).shape == (112, 112, 3)
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    assert (center_square(crop) == crop).all()
