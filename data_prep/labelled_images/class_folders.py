"""Folders of class folders: train/CLASS/… and test/CLASS/… (or val/CLASS/…)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.errors import DataError, printable
from data_prep.images import SUFFIXES, is_image_name, walk_files
from data_prep.labelled_images.base import ImageFiles, Split

_TEST_FOLDERS = ("test", "val")


class ClassFolders(ImageFiles):
    """Images of one size; classes are numbered in the order of train's folders.

    Hidden names are not read; folders below a class folder belong to it.
    """

    kind = "class folders"
    described = "train/CLASS/ and test/CLASS/ (or val/CLASS/) with images"

    def __init__(self, path: Path, split: Split) -> None:
        classes = [name for name, files in _images_by_class(path / "train") if files]
        if len(classes) < 2:
            raise DataError(
                f"{path}/train: {len(classes)} class folders with images "
                f"({', '.join(sorted(SUFFIXES))}); at least two are needed"
            )
        folder = "train" if split == "train" else _test_folder(path)
        names: list[str] = []
        labels: list[int] = []
        number = {name: k for k, name in enumerate(classes)}
        for name, files in _images_by_class(path / folder):
            if files and name not in number:
                raise DataError(f"{path}/{folder}/{printable(name)}: train has no such class")
            names += [f"{folder}/{file}" for file in files]
            labels += [number[name]] * len(files) if files else []
        if not names:
            raise DataError(f"{path}/{folder}: holds no class folders with images")
        class_names = {k: printable(name) for k, name in enumerate(classes)}
        super().__init__(path, split, names, np.array(labels, np.int64), class_names)

    @classmethod
    def matches(cls, path: Path) -> bool:
        return (path / "train").is_dir()


def _test_folder(path: Path) -> str:
    found = [name for name in _TEST_FOLDERS if (path / name).is_dir()]
    if len(found) != 1:
        has = "both test and val" if found else "neither test nor val"
        raise DataError(f"{path}: has {has}; one of them is to be the test split")
    return found[0]


def _images_by_class(folder: Path) -> list[tuple[str, list[str]]]:
    """Class → its images' paths below `folder`, both sorted. DataError for one in no class."""
    found: dict[str, list[str]] = {}
    for below, files in walk_files(folder):
        images = [name for name in files if is_image_name(name)]
        if images and not below:
            raise DataError(f"{folder}/{printable(images[0])}: lies in no class folder")
        if below:
            found.setdefault(below.split("/")[0], []).extend(f"{below}/{name}" for name in images)
    return sorted(found.items())
