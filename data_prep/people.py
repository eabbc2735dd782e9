"""Class folders → who is in them, and the distinct images of each person."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from data_prep.errors import DataError
from data_prep.image_lists import class_folders

_STEP = 256  # images between two calls of `progress`


@dataclass(frozen=True)
class People:
    """`images`: person → distinct images, as paths below the root, both in the order of names."""

    images: dict[str, list[str]]
    copies: int  # files left out: the bytes of an earlier image of the person
    shared: int  # files left out: the same bytes are in the folders of several people


def read_people(
    root: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None
) -> People:
    """The people of ROOT/person/…/image, each with images that differ in their bytes.

    Of an image's copies in one person's folder the first counts. An image in the folders of
    several people is left out: nobody can say whose it is.

    Raises DataError for images outside of a class folder and for files that cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of class folders")
    folders = class_folders(root)
    first: dict[bytes, tuple[int, str]] = {}
    files_of: Counter[bytes] = Counter()
    shared: set[bytes] = set()
    for files, image in enumerate(folders.images(), 1):
        digest = _digest(image.path)
        owner, _ = first.setdefault(digest, (image.label, image.path.removeprefix(f"{root}/")))
        if owner != image.label:
            shared.add(digest)
        files_of[digest] += 1
        if progress is not None and (files % _STEP == 0 or files == folders.total):
            progress(files, folders.total)
    people: dict[str, list[str]] = {}
    for digest, (label, name) in first.items():
        if digest not in shared:
            people.setdefault(folders.names[label], []).append(name)
    in_several = sum(files_of[digest] for digest in shared)
    distinct = sum(map(len, people.values()))
    return People(people, files_of.total() - in_several - distinct, in_several)


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return blake2b(file.read(), digest_size=16).digest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
