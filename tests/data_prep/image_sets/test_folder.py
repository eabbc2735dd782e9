"""A folder of images: which files are its images, and whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.image_lists import class_folders
from data_prep.image_sets import open_image_set
from data_prep.images import SUFFIXES


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


NAMES = (
    ".cache/thumb.jpg", "b/2.JPG", "b/1.jpeg", "anna/deep/er/x.png", "anna/y.webp",
    "anna/notes.txt", "b/.1.jpg.partial", "empty/readme.md", "labels.json",
)  # fmt: skip


def test_hidden_names_do_not_count_and_the_first_folder_is_the_class(tmp_path: Path) -> None:
    found = open_image_set(tree(tmp_path, *NAMES))
    names = ["anna/y.webp", "anna/deep/er/x.png", "b/1.jpeg", "b/2.JPG"]
    assert [found.name(i) for i in range(len(found))] == names
    assert [found.read(i) for i in range(len(found))] == [name.encode() for name in names]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.class_names == {0: "anna", 1: "b"}
    assert (found.kind, found.classes, found.other_files) == ("folder", 2, 3)
    assert found.place(2) == f"{tmp_path}/b/1.jpeg"
    assert (found.folder, found.stem, found.size) == (tmp_path, "images", (0, 0))
    found.require_classes()


def test_data_pack_walks_the_same_images(tmp_path: Path) -> None:
    tree(tmp_path, *NAMES, *(f"c/{k}{suffix}" for k, suffix in enumerate(sorted(SUFFIXES))))
    found = open_image_set(tmp_path)
    packed = class_folders(tmp_path)
    assert [(image.label, image.path) for image in packed.images()] == [
        (label, found.place(i)) for i, label in enumerate(found.labels.tolist())
    ]
    assert packed.names == list(found.class_names.values())
    assert len(found) == 4 + len(SUFFIXES)


def test_images_in_no_folder(tmp_path: Path) -> None:
    loose = open_image_set(tree(tmp_path / "loose", "x.jpg", "y.jpg"))
    assert not loose.has_classes
    mixed = open_image_set(tree(tmp_path / "mixed", "a/1.jpg", "x.jpg"))
    assert mixed.has_classes
    for found in (loose, mixed):
        with pytest.raises(DataError, match=r"x\.jpg: lies in no class folder; move it to .*CLASS"):
            found.require_classes()


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds neither train\.rec, \.tar shards nor images \("):
        open_image_set(tree(tmp_path / "texts", "a/notes.txt"))
    found = open_image_set(tree(tmp_path / "set", "a/1.jpg", "b/1.jpg"))
    (tmp_path / "set/b/1.jpg").unlink()
    for read in (lambda: found.read(1), found.excerpts):
        with pytest.raises(DataError, match=r"b/1\.jpg: No such file"):
            read()


def test_a_stray_tar_among_class_folders_is_no_shard(tmp_path: Path) -> None:
    found = open_image_set(tree(tmp_path, "a/1.jpg", "backup.tar"))
    assert (found.kind, len(found), found.other_files) == ("folder", 1, 1)
