"""CIFAR's binary version: the same images as the Python version, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelled_files import (
    CIFAR_10,
    cifar_10_batches,
    cifar_100_batches,
    write_cifar_10_binary,
    write_cifar_100_binary,
    write_pickles,
)

from data_prep.errors import DataError
from data_prep.labelled_images import open_labelled_images
from data_prep.labelled_images.cifar_binary import CifarBinary


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("version", ["10", "100"])
def test_both_versions_hold_the_same(tmp_path: Path, version: str, split: str) -> None:
    if version == "10":
        write_cifar_10_binary(tmp_path / "binary")
        write_pickles(tmp_path / "python", cifar_10_batches())
    else:
        write_cifar_100_binary(tmp_path / "binary")
        write_pickles(tmp_path / "python", cifar_100_batches())
    binary = open_labelled_images(tmp_path / "binary", split)
    python = open_labelled_images(tmp_path / "python", split)
    assert (binary.kind, python.kind) == ("CIFAR, binary version", "CIFAR, Python version")
    assert binary.class_names == python.class_names
    assert np.array_equal(binary.labels, python.labels)
    every = np.arange(len(binary))
    assert np.array_equal(binary.batch(every), python.batch(every))
    assert binary.digest() == python.digest()


def test_class_names(tmp_path: Path) -> None:
    write_cifar_10_binary(tmp_path)
    assert list(CifarBinary(tmp_path, "test").class_names.values()) == CIFAR_10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "0 bytes are not a number of images of 3073 bytes"),
        (lambda data: data[:-1], "12291 bytes are not a number of images of 3073 bytes"),
        (lambda data: data + b"x", "12293 bytes are not"),
        (
            lambda data: data[:3073] + b"\x0a" + data[3074:],
            "image 1 has label 10, but there are 10",
        ),
    ],
)
def test_wrong_batches(tmp_path: Path, change: object, message: str) -> None:
    write_cifar_10_binary(tmp_path)
    file = tmp_path / "test_batch.bin"
    file.write_bytes(change(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=message) as error:
        CifarBinary(tmp_path, "test")
    assert str(error.value).startswith(f"{file}: ")


@pytest.mark.parametrize("names", ["", "one\n", "\n".join(map(str, range(257)))])
def test_wrong_names(tmp_path: Path, names: str) -> None:
    write_cifar_10_binary(tmp_path)
    (tmp_path / "batches.meta.txt").write_text(names)
    with pytest.raises(DataError, match=r"names \d+ classes, not between 2 and 256"):
        CifarBinary(tmp_path, "test")
