"""Image arrays, image files, subsets, and the opener."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_files import images, png, write_class_folders, write_mnist

from data_prep.errors import DataError
from data_prep.labelled_images import KINDS, LabelledImages, base, open_labelled_images
from data_prep.labelled_images.base import ImageFiles, PixelArray

NAMES = {0: "a", 1: "b"}


def array(channels: int = 3) -> PixelArray:
    return PixelArray(Path("x"), "train", images(4, 5, channels), np.array([0, 1, 1, 0]), NAMES)


def files(folder: Path, count: int = 4) -> ImageFiles:
    names = [f"{i}.png" for i in range(count)]
    for name, pixels in zip(names, images(count, 8, 3), strict=True):
        (folder / name).write_bytes(png(pixels))
    return ImageFiles(folder, "train", names, np.arange(count) % 2, NAMES)


def test_images_in_memory() -> None:
    data, raw = array(), images(4, 5, 3)
    assert (len(data), data.classes, data.size) == (4, 2, (5, 5))
    assert np.array_equal(data.image(2), raw[2])
    assert np.array_equal(data.batch(np.array([3, 0])), raw[[3, 0]])


def test_grey_is_repeated() -> None:
    data, raw = array(channels=1), images(4, 5, 1)
    assert data.image(1).shape == (5, 5, 3)
    assert np.array_equal(data.image(1)[..., 2], raw[1, ..., 0])
    assert np.array_equal(data.batch(np.array([2, 2])), np.repeat(raw[[2, 2]], 3, axis=3))


def test_images_in_files(tmp_path: Path) -> None:
    data = files(tmp_path)
    assert data.size == (8, 8)
    assert np.array_equal(data.image(3), images(4, 8, 3)[3])
    assert np.array_equal(data.batch(np.array([1, 0])), images(4, 8, 3)[[1, 0]])


def exif(jpeg: bytes) -> bytes:
    """A JPEG that says it lies on its side (orientation 6)."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    body = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def jpeg_cut_short(folder: Path) -> None:
    data = cv2.imencode(".jpg", images(1, 8, 3)[0])[1].tobytes()
    (folder / "2.png").write_bytes(data[:-20])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: (f / "2.png").write_bytes(png(images(1, 9, 3)[0])), "is 9×9, the first image"),
        (lambda f: (f / "2.png").write_bytes(b""), "cannot be decoded: empty"),
        (lambda f: (f / "2.png").write_bytes(b"<html>"), "cannot be decoded: not a"),
        (jpeg_cut_short, "cannot be decoded: "),
        (lambda f: (f / "2.png").unlink(), "No such file"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, spoil: object, reason: str) -> None:
    data = files(tmp_path)
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/2.png: {reason}")) as error:
        data.batch(np.arange(4))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "first",
    [b"", b"<html>", png(images(1, 8, 3)[0])[:16] + b"\x0f" * 8 + png(images(1, 8, 3)[0])[24:]],
)
def test_a_bad_first_image_is_found_when_the_set_is_opened(tmp_path: Path, first: bytes) -> None:
    """One that claims 252 million pixels a side would make every batch of that size."""
    files(tmp_path)
    (tmp_path / "0.png").write_bytes(first)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/0.png: cannot be decoded: ")):
        ImageFiles(tmp_path, "train", ["0.png"], np.zeros(1, np.int64), NAMES)


def test_images_that_exif_turns(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((8, 12, 3), np.uint8))[1].tobytes()
    (tmp_path / "0.jpg").write_bytes(exif(jpeg))
    (tmp_path / "1.jpg").write_bytes(jpeg)
    data = ImageFiles(tmp_path, "train", ["0.jpg", "1.jpg"], np.arange(2), NAMES)
    assert data.size == (12, 8)
    assert data.image(0).shape == (12, 8, 3)
    with pytest.raises(DataError, match=r"1\.jpg: is 12×8, the first image 8×12"):
        data.image(1)


def test_a_subset_keeps_classes_and_order() -> None:
    data = array()
    part = data.subset(np.array([3, 1]))
    assert part.labels.tolist() == [0, 1]
    assert (len(part), part.classes, part.size, part.split) == (2, 2, (5, 5), "train")
    assert np.array_equal(part.image(0), data.image(3))
    assert np.array_equal(part.batch(np.array([1, 0])), data.batch(np.array([1, 3])))
    assert len({data.digest(), part.digest(), data.subset(np.array([1, 3])).digest()}) == 3
    assert part.fingerprint() != data.fingerprint()


def test_the_digest_says_what_training_sees(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data, copy = files(tmp_path / "a"), files(tmp_path / "b")
    os.utime(tmp_path / "b/1.png", (1, 1))
    assert copy.digest() == data.digest()
    assert copy.fingerprint() != data.fingerprint()
    other = ImageFiles(tmp_path / "a", "train", ["0.png"] * 4, data.labels, NAMES)
    relabelled = ImageFiles(tmp_path / "a", "train", [f"{i}.png" for i in range(4)],
                            1 - data.labels, NAMES)  # fmt: skip
    assert len({data.digest(), other.digest(), relabelled.digest()}) == 3


def test_digest_of_an_array() -> None:
    labels = np.array([0, 1, 1, 0])
    changed = images(4, 5, 3).copy()
    changed[3, 4, 4, 2] ^= 1
    assert array().digest() == array().digest()
    other = PixelArray(Path("x"), "train", changed, labels, NAMES)
    assert other.digest() != array().digest()
    assert other.fingerprint() != array().fingerprint()


def test_the_opener_finds_the_kind(tmp_path: Path) -> None:
    write_mnist(tmp_path / "digits")
    write_class_folders(tmp_path / "things", ["a", "b"])
    assert open_labelled_images(tmp_path / "digits", "test").kind == "MNIST"
    assert open_labelled_images(str(tmp_path / "things"), "train").kind == "class folders"


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_labelled_images(tmp_path / "absent", "train")
    with pytest.raises(DataError, match="none of the known data sets: ") as e:
        open_labelled_images(tmp_path, "train")
    assert all(kind.described in str(e.value) for kind in KINDS)


def test_every_kind_is_described() -> None:
    assert all(issubclass(kind, LabelledImages) and kind.kind and kind.described for kind in KINDS)


def test_an_image_that_claims_another_size_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = files(tmp_path)
    (tmp_path / "2.png").write_bytes(png(np.zeros((3000, 3000, 3), np.uint8)))
    monkeypatch.setattr(base, "decode_rgb", lambda _: pytest.fail("decoded"))
    with pytest.raises(DataError, match="is 3000×3000, the first image 8×8"):
        data.image(2)
