"""MNIST's idx files: values, both forms, and whatever can be wrong with them."""

from __future__ import annotations

import gzip
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from labelled_files import idx, images, write_mnist

from data_prep.errors import DataError
from data_prep.labelled_images.mnist import Mnist, read_idx


@pytest.mark.parametrize("packed", [True, False])
def test_digits(tmp_path: Path, packed: bool) -> None:
    write_mnist(tmp_path, packed=packed)
    assert Mnist.matches(tmp_path)
    train, test = Mnist(tmp_path, "train"), Mnist(tmp_path, "test")
    assert (len(train), len(test), train.classes, train.size) == (20, 10, 10, (28, 28))
    assert train.labels.tolist() == [*range(10), *range(10)]
    assert train.labels.dtype == np.int64
    assert np.array_equal(train.image(7)[..., 1], images(20, 28, 1)[7, ..., 0])
    assert train.class_names[3] == "3"


def packed(data: bytes) -> bytes:
    """Without the time: names of tests must be the same in all workers."""
    return gzip.compress(data, mtime=0)


def spoilt(data: bytes, **changes: int) -> bytes:
    """Header numbers replaced: magic, count, rows or columns."""
    numbers = dict(zip(("magic", "count", "rows", "columns"), struct.unpack_from(">4I", data),
                       strict=True))  # fmt: skip
    return struct.pack(">4I", *(numbers | changes).values()) + data[16:]


GOOD = idx(images(20, 28, 1)[..., 0])
BAD = {
    "empty": (b"", "begins with nothing, not 00000803"),
    "other file": (b"<!DOCTYPE html><html>", "begins with 3c21444f, not 00000803"),
    "labels": (spoilt(GOOD, magic=2049), "begins with 00000801"),
    "floats": (spoilt(GOOD, magic=0x0D03), "begins with 00000d03"),
    "header cut": (GOOD[:10], "no idx file"),
    "cut": (GOOD[:-1], "should hold 15680 bytes, has 15679"),
    "longer": (GOOD + b"x", "should hold 15680 bytes, has more"),
    "claims more": (spoilt(GOOD, count=30), "claims 23520 bytes, more than it can hold"),
    "claims terabytes": (spoilt(GOOD, count=2**32 - 1, rows=2**32 - 1), "more than it can hold"),
    "no columns": (spoilt(GOOD, columns=0), "has more"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_files(tmp_path: Path, name: str) -> None:
    data, message = BAD[name]
    file = tmp_path / "x-idx3-ubyte"
    file.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        read_idx(file, 3)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (packed(GOOD)[:-30], "damaged gzip file"),
        (packed(GOOD)[:3000] + b"\xff" * 99 + packed(GOOD)[3099:], "damaged gzip"),
        (GOOD, "damaged gzip file"),
        (b"", "begins with nothing"),
        (packed(GOOD[:-5]), "should hold 15680 bytes, has 15675"),
        (packed(spoilt(b"\0\0\x08\x03" + bytes(12), count=1 << 30, rows=1, columns=1)),
         "claims 1073741824 bytes, more than it can hold"),
    ],
    ids=range(6),
)  # fmt: skip
def test_wrong_gzip_files(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "x.gz"
    file.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        read_idx(file, 3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.zeros(19), "19 labels for 20 images"),
        ("train-labels-idx1-ubyte", np.full(20, 10), "label 10 of image 0 is no digit"),
        ("train-images-idx3-ubyte", np.zeros((0, 28, 28)), "20 labels for 0 images"),
        ("train-labels-idx1-ubyte", np.zeros((20, 1, 1)), "no idx file of bytes in 1 dimension$"),
    ],
)
def test_files_that_do_not_fit_each_other(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    write_mnist(tmp_path, packed=False)
    (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(DataError, match=message):
        Mnist(tmp_path, "train")


def test_no_images_at_all(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=0, packed=False)
    with pytest.raises(DataError, match="train-images-idx3-ubyte: holds no images"):
        Mnist(tmp_path, "train")


def test_a_missing_file(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    Mnist(tmp_path, "train")
    with pytest.raises(DataError, match=re.escape("t10k-labels-idx1-ubyte: no such file, nor")):
        Mnist(tmp_path, "test")


REAL = os.environ.get("ARCFACE_PLUS_REAL_DATA", "")


@pytest.mark.skipif(not REAL, reason="no real data here (set ARCFACE_PLUS_REAL_DATA)")
def test_the_real_one() -> None:
    train, test = Mnist(Path(REAL) / "mnist", "train"), Mnist(Path(REAL) / "mnist", "test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert np.bincount(train.labels)[0] == 5923
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    mean = train.batch(np.arange(60_000))[..., 0].mean() / 255
    assert mean == pytest.approx(0.1307, abs=1e-4)
