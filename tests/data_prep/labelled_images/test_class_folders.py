"""Class folders: classes from train, one test split, and what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from labelled_files import images, png, write_class_folders

from data_prep.errors import DataError
from data_prep.labelled_images.class_folders import ClassFolders


@pytest.mark.parametrize("test_folder", ["test", "val"])
def test_splits(tmp_path: Path, test_folder: str) -> None:
    write_class_folders(tmp_path, ["cat", "ant"], side=16, test_folder=test_folder)
    train, test = ClassFolders(tmp_path, "train"), ClassFolders(tmp_path, "test")
    assert train.class_names == test.class_names == {0: "ant", 1: "cat"}
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.size == (16, 16)
    assert np.array_equal(train.image(3), images(3, 16, 3, seed=0)[0])  # cat was written first


def test_folders_within_a_class_hidden_names_and_other_files(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["a", "b"])
    (tmp_path / "train/a/more").mkdir()
    (tmp_path / "train/a/more/x.png").write_bytes(png(images(1, 32, 3)[0]))
    (tmp_path / "train/.hidden").mkdir()
    (tmp_path / "train/.hidden/x.png").write_bytes(b"")
    (tmp_path / "train/notes.txt").write_text("")
    (tmp_path / "train/empty").mkdir()
    train = ClassFolders(tmp_path, "train")
    assert train.class_names == {0: "a", 1: "b"}
    assert np.bincount(train.labels).tolist() == [4, 3]


def test_a_class_without_test_images_keeps_its_number(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ["a", "b", "c"])
    shutil.rmtree(tmp_path / "test/b")
    test = ClassFolders(tmp_path, "test")
    assert test.classes == 3
    assert test.labels.tolist() == [0, 0, 2, 2]


def unknown_class(folder: Path) -> None:
    (folder / "test/zebra").mkdir()
    (folder / "test/zebra/x.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "split", "message"),
    [
        (unknown_class, "test", "/test/zebra: train has no such class"),
        (lambda f: shutil.rmtree(f / "train/b"), "train", "/train: 1 class folders with images"),
        (lambda f: shutil.rmtree(f / "test"), "test", ": has neither test nor val"),
        (lambda f: (f / "val").mkdir(), "test", ": has both test and val"),
        (lambda f: (f / "train/x.png").write_bytes(b""), "train", "/train/x.png: lies in no class"),
        (lambda f: [shutil.rmtree(f / "test" / c) for c in "ab"], "test", "/test: holds no class"),
    ],
)
def test_what_is_refused(tmp_path: Path, spoil: object, split: str, message: str) -> None:
    write_class_folders(tmp_path, ["a", "b"])
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}{message}")):
        ClassFolders(tmp_path, split)  # type: ignore[arg-type]
