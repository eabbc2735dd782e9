"""What is in a data set: counts, sizes, formats, colour, gaps, and what training on it takes.

Labels and sizes come from the index and the headers of all records; formats and colours from a
sample of the images, so that half a million records take seconds.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.collection import Folder, Pairs, Records, open_collection
from data_prep.errors import DataError
from data_prep.image_header import image_header
from data_prep.images import decode_rgb, one_thread_each
from data_prep.training_set import read_index, read_property

SAMPLE = 2000
BATCH, STEPS = 440, 38_000  # the recipe's
_PIXELS = 112 * 112 * 3
#: By how much (of 255) faces are redder than blue at least; measured crops have 20 to 60.
_FACE_RED_OVER_BLUE = 5.0


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found. Class fields are empty for a pair file, `same` -1 for the others."""

    path: Path
    kind: str
    images: int
    unique_images: int  # of a pair file; -1 if not counted
    same: int
    classes: int
    per_class: NDArray[np.int64]  # images of each class 0 … C − 1
    promised_classes: int | None  # by the property file
    bytes_on_disk: int
    image_bytes: tuple[int, int, int]  # smallest, median, largest; of the sample for a folder
    sampled: int
    formats: dict[str, int]  # of the sample
    sizes: dict[str, int]  # of the sample, "112x112"
    unreadable: list[str]  # of the sample
    mean_rgb: tuple[float, float, float]  # 0 to 255; nan if nothing could be read
    other_files: int  # in a folder

    @property
    def gaps(self) -> list[int]:
        """Labels between 0 and the largest that no image has."""
        return np.flatnonzero(self.per_class == 0).tolist()

    @property
    def cache_bytes(self) -> int:
        """Memory of all images decoded to 112x112 RGB, as data.cache keeps them."""
        return self.images * _PIXELS

    @property
    def steps_per_epoch(self) -> float:
        """At the recipe's batch of 440."""
        return self.images / BATCH

    @property
    def colour(self) -> str:
        """What the mean colour says about the order of the channels."""
        red, _, blue = self.mean_rgb
        if not red >= 0:
            return "unknown"
        if max(self.mean_rgb) - min(self.mean_rgb) < 1:
            return "grey"
        if red - blue >= _FACE_RED_OVER_BLUE:
            return "redder than blue, as faces are: the channels are in order"
        if blue - red >= _FACE_RED_OVER_BLUE:
            return "bluer than faces are: red and blue are probably swapped (BGR stored as RGB)"
        return "neither redder nor bluer: the channel order is unclear"


def inspect(path: str | os.PathLike[str], *, sample: int = SAMPLE) -> Inspection:
    """Look at a .rec, a .bin, a folder with train.rec in it or a folder of images.

    Raises DataError where the index or labels cannot be read; broken images are counted.
    """
    return inspect_collection(open_collection(path), sample)


def inspect_collection(collection: Records | Pairs | Folder, sample: int = SAMPLE) -> Inspection:
    """As `inspect`, of what is open already."""
    if isinstance(collection, Records) and collection.note:
        raise DataError(f"{collection.path}: {collection.note}; `data check` says what is left")
    labels, promised = labels_of(collection)
    chosen = np.unique(np.linspace(0, len(collection) - 1, sample).round().astype(np.int64))
    formats: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    unreadable: list[str] = []
    lengths: list[int] = []
    colours: list[NDArray[np.float64]] = []
    with one_thread_each():
        for i in chosen.tolist():
            try:
                data = collection.read(i)
                lengths.append(len(data))
                pixels = decode_rgb(data)
            except DataError as error:
                unreadable.append(f"{collection.name(i)}: {error}")
                continue
            header = image_header(data)
            assert header is not None
            formats[header.format.upper()] += 1
            sizes[f"{pixels.shape[1]}x{pixels.shape[0]}"] += 1
            colours.append(pixels.mean(axis=(0, 1)))
    mean = np.mean(colours, axis=0) if colours else np.full(3, np.nan)
    is_pairs = isinstance(collection, Pairs)
    return Inspection(
        path=collection.path,
        kind=collection.kind,
        images=len(collection),
        unique_images=len(set(collection.images)) if isinstance(collection, Pairs) else -1,
        same=int(collection.same.sum()) if isinstance(collection, Pairs) else -1,
        classes=0 if is_pairs else int(labels.max()) + 1,
        per_class=np.zeros(0, np.int64) if is_pairs else np.bincount(labels),
        promised_classes=promised,
        bytes_on_disk=_bytes_on_disk(collection, lengths),
        image_bytes=_quantiles(lengths),
        sampled=len(chosen),
        formats=dict(formats.most_common()),
        sizes=dict(sizes.most_common()),
        unreadable=unreadable,
        mean_rgb=(float(mean[0]), float(mean[1]), float(mean[2])),
        other_files=collection.other_files if isinstance(collection, Folder) else 0,
    )


def labels_of(collection: Records | Pairs | Folder) -> tuple[NDArray[np.int64], int | None]:
    """Class of each image (pair of each image in a pair file), and the property file's count."""
    if isinstance(collection, Pairs):
        return np.arange(len(collection), dtype=np.int64) // 2, None
    if isinstance(collection, Folder):
        return collection.labels, None
    index = read_index(collection.reader)
    return index.labels, read_property(collection.path.parent / "property")


def _bytes_on_disk(collection: Records | Pairs | Folder, lengths: list[int]) -> int:
    """Of the file; of a folder an estimate from the sample."""
    if isinstance(collection, Records):
        return collection.reader.size
    if isinstance(collection, Pairs):
        return collection.path.stat().st_size
    return round(float(np.mean(lengths)) * len(collection)) if lengths else 0


def _quantiles(lengths: list[int]) -> tuple[int, int, int]:
    if not lengths:
        return 0, 0, 0
    return min(lengths), int(np.median(lengths)), max(lengths)
