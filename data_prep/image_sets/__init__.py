"""Every place that images come from, behind one interface and one opener.

Training, `data inspect`, `check`, `extract`, `pack`, `embed` and `eval identify` open their sets
here, so that all of them see the same images in the same classes. A new kind is a new file with a
subclass of `ImageSet`, and a line in `KINDS`.
"""

from __future__ import annotations

import os
from pathlib import Path

from data_prep.errors import DataError
from data_prep.image_sets.base import ImageSet
from data_prep.image_sets.folder import Folder
from data_prep.image_sets.pair_file import PairFile
from data_prep.image_sets.record_file import RecordFile
from data_prep.image_sets.tar_shards import TarShards

__all__ = ["KINDS", "ImageSet", "kind_of", "open_image_set"]

#: The first that matches a path opens it.
KINDS: tuple[type[ImageSet], ...] = (
    RecordFile,
    PairFile,
    TarShards,
    Folder,
)


def kind_of(path: str | os.PathLike[str]) -> type[ImageSet] | None:
    """Which kind of set a path is; None for a path that is none or not there."""
    return next((kind for kind in KINDS if kind.matches(Path(path))), None)


def open_image_set(path: str | os.PathLike[str]) -> ImageSet:
    """The set at `path`; DataError if there is none or its index cannot be read."""
    kind = kind_of(path)
    if kind is not None:
        return kind(Path(path))
    if not os.path.lexists(path):
        raise DataError(f"{path}: no such file or folder")
    *others, last = (kind.described for kind in KINDS)
    raise DataError(f"{path}: is neither {', '.join(others)} nor {last}")
