"""TinyImageNet's official layout: classes by wnids.txt, validation by its annotations."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from labelled_files import write_tiny_imagenet

from data_prep.errors import DataError
from data_prep.labelled_images import open_labelled_images
from data_prep.labelled_images.tiny_imagenet import TinyImageNet


def test_splits(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    train, test = TinyImageNet(tmp_path, "train"), TinyImageNet(tmp_path, "test")
    assert train.class_names == test.class_names
    assert train.class_names[0] == "name of n00000009, other"
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert train.size == (64, 64)
    assert train.image(0).shape == test.image(5).shape == (64, 64, 3)
    assert open_labelled_images(tmp_path, "test").digest() == test.digest()


def test_the_order_of_the_annotations_counts_not_that_of_the_files(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    before = TinyImageNet(tmp_path, "test")
    file = tmp_path / "val/val_annotations.txt"
    file.write_text("".join(reversed(file.read_text().splitlines(keepends=True))))
    after = TinyImageNet(tmp_path, "test")
    assert after.labels.tolist() == before.labels[::-1].tolist()
    assert np.array_equal(after.image(0), before.image(5))


def test_without_words_the_wnids_are_the_names(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    (tmp_path / "words.txt").unlink()
    assert TinyImageNet(tmp_path, "train").class_names[0] == "n00000009"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names 0 classes, fewer than two"),
        ("n00000009\n", "names 1 classes, fewer than two"),
        ("n00000009\nn00000009\n", "line 2: n00000009 is listed twice"),
        ("n00000009\n../../etc\n", "line 2: ../../etc is no name of a folder"),
        ("n00000009\n..\n", "line 2: .. is no name of a folder"),
        ("n00000009\nn1\0\n", r"line 2: n1\x00 is no name of a folder"),
    ],
)
def test_wrong_classes(tmp_path: Path, text: str, message: str) -> None:
    write_tiny_imagenet(tmp_path)
    (tmp_path / "wnids.txt").write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        TinyImageNet(tmp_path, "train")


@pytest.mark.parametrize(
    "line",
    [
        "val_9.JPEG",
        "val_0.JPEG\tn00000009",
        "x.JPEG\tn12345678",
        "../x.JPEG\tn00000009",
        "\tn00000009",
    ],
)
def test_wrong_annotations(tmp_path: Path, line: str) -> None:
    write_tiny_imagenet(tmp_path)
    with open(tmp_path / "val/val_annotations.txt", "a") as file:
        file.write(f"{line}\t0\t0\t9\t9\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt, line 7: wanted a file") as error:
        TinyImageNet(tmp_path, "test")
    assert "\n" not in str(error.value)


def test_missing_images(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    (tmp_path / "val/images/val_3.JPEG").unlink()
    with pytest.raises(DataError, match=r"val/images/val_3\.JPEG: no such file"):
        TinyImageNet(tmp_path, "test")
    shutil.rmtree(tmp_path / "train/n00000008")
    with pytest.raises(DataError, match="train/n00000008/images: No such file"):
        TinyImageNet(tmp_path, "train")


def test_no_images(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path, train=0)
    with pytest.raises(DataError, match="holds no images of the train split"):
        TinyImageNet(tmp_path, "train")


REAL = os.environ.get("ARCFACE_PLUS_REAL_DATA", "")


@pytest.mark.skipif(not REAL, reason="no real data here (set ARCFACE_PLUS_REAL_DATA)")
def test_a_part_of_the_real_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(Path(REAL) / "tiny_imagenet_subset.zip") as file:
        file.extractall(tmp_path)
    train = open_labelled_images(tmp_path / "tiny-imagenet-200", "train")
    test = open_labelled_images(tmp_path / "tiny-imagenet-200", "test")
    assert (len(train), len(test), train.classes, test.size) == (8000, 2000, 200, (64, 64))
    assert set(np.bincount(train.labels)) == {40}
    assert set(np.bincount(test.labels)) == {10}
    assert test.batch(np.arange(0, 2000, 40)).std() > 50
