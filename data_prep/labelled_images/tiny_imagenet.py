"""TinyImageNet in its official layout.

wnids.txt names the classes; train/WNID/images/*.JPEG; val/images/*.JPEG, whose classes are in
val/val_annotations.txt (file, WNID and a box, separated by tabs). The labels of its test images
were never published: the validation images are the test split, as in the papers.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from data_prep.errors import DataError, printable
from data_prep.files import read_file
from data_prep.images import is_image_name
from data_prep.labelled_images.base import ImageFiles, Split


class TinyImageNet(ImageFiles):
    """Images 64×64; classes are numbered in the order of wnids.txt, and named by words.txt."""

    kind = "TinyImageNet"
    described = "wnids.txt, train/ and val/val_annotations.txt (TinyImageNet)"

    def __init__(self, path: Path, split: Split) -> None:
        classes = _classes(path / "wnids.txt")
        names, labels = (_training if split == "train" else _validation)(path, classes)
        if not names:
            raise DataError(f"{path}: holds no images of the {split} split")
        class_names = _words(path / "words.txt", classes)
        super().__init__(path, split, names, np.array(labels, np.int64), class_names)

    @classmethod
    def matches(cls, path: Path) -> bool:
        return (path / "wnids.txt").is_file() and (path / "train").is_dir()


def _lines(file: Path) -> list[str]:
    return read_file(file).decode("utf-8", "surrogateescape").splitlines()


def _classes(file: Path) -> dict[str, int]:
    """WNID → class."""
    found: dict[str, int] = {}
    for number, line in enumerate(_lines(file), 1):
        wnid = line.strip()
        if not wnid:
            continue
        if not _is_name(wnid) or wnid in found:
            why = "listed twice" if wnid in found else "no name of a folder"
            raise DataError(f"{file}, line {number}: {printable(wnid)[:80]} is {why}")
        found[wnid] = len(found)
    if len(found) < 2:
        raise DataError(f"{file}: names {len(found)} classes, fewer than two")
    return found


def _is_name(text: str) -> bool:
    """Whether it names something in the folder at hand, and nothing elsewhere."""
    return not text.startswith(".") and "/" not in text and "\0" not in text


def _training(path: Path, classes: dict[str, int]) -> tuple[list[str], list[int]]:
    names: list[str] = []
    labels: list[int] = []
    for wnid, label in classes.items():
        folder = f"train/{wnid}/images"
        try:
            files = sorted(name for name in os.listdir(path / folder) if is_image_name(name))
        except OSError as error:
            raise DataError(f"{path / folder}: {error.strerror or error}") from None
        names += [f"{folder}/{file}" for file in files if not file.startswith(".")]
        labels += [label] * (len(names) - len(labels))
    return names, labels


def _validation(path: Path, classes: dict[str, int]) -> tuple[list[str], list[int]]:
    annotations = path / "val" / "val_annotations.txt"
    found: dict[str, int] = {}
    for number, line in enumerate(_lines(annotations), 1):
        if not line.strip():
            continue
        name, wnid, *_ = (*line.split("\t"), "", "")
        if not name or not _is_name(name) or wnid not in classes or name in found:
            raise DataError(
                f"{annotations}, line {number}: wanted a file not named before, a tab and a class "
                f"of wnids.txt, not {printable(line)[:80]!r}"
            )
        if not (path / "val" / "images" / name).is_file():
            raise DataError(f"{path}/val/images/{printable(name)}: no such file")
        found[name] = classes[wnid]
    return [f"val/images/{name}" for name in found], list(found.values())


def _words(file: Path, classes: dict[str, int]) -> dict[int, str]:
    """Class → words, where words.txt is there and has them, else the WNID."""
    names = {label: wnid for wnid, label in classes.items()}
    if file.is_file():
        for line in _lines(file):
            wnid, tab, words = line.partition("\t")
            if tab and wnid in classes:
                names[classes[wnid]] = words.strip()
    return {label: printable(name) for label, name in names.items()}
