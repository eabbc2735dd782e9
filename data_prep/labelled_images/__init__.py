"""Classification data sets in their official files, behind one interface and one opener.

They have a training and a test split and images of one size, but neither identities nor aligned
crops; those are `data_prep.image_sets`. A new kind is a new file with a subclass of
`LabelledImages`, and a line in `KINDS`.
"""

from __future__ import annotations

import os
from pathlib import Path

from data_prep.errors import DataError
from data_prep.labelled_images.base import LabelledImages, Split
from data_prep.labelled_images.cifar_binary import CifarBinary
from data_prep.labelled_images.cifar_python import CifarPython
from data_prep.labelled_images.class_folders import ClassFolders
from data_prep.labelled_images.mnist import Mnist
from data_prep.labelled_images.tiny_imagenet import TinyImageNet

__all__ = ["KINDS", "LabelledImages", "Split", "open_labelled_images"]

#: The first that matches a folder opens it.
KINDS: tuple[type[Mnist | CifarPython | CifarBinary | TinyImageNet | ClassFolders], ...] = (
    Mnist,
    CifarPython,
    CifarBinary,
    TinyImageNet,
    ClassFolders,
)


def open_labelled_images(path: str | os.PathLike[str], split: Split) -> LabelledImages:
    """The split of the data set in the folder `path`; DataError names the file that is wrong."""
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{path}: no such folder")
    for kind in KINDS:
        if kind.matches(folder):
            return kind(folder, split)
    raise DataError(
        f"{path}: holds none of the known data sets: " + "; ".join(kind.described for kind in KINDS)
    )
