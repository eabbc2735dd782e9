"""A list of images, class folders or another set → train.rec, .idx, property and labels.json."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.class_names import NAME, write_class_names
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError
from data_prep.files import read_file
from data_prep.image_container import END_OF_IMAGE, container_damage
from data_prep.image_header import ImageHeader, image_header
from data_prep.image_lists import ImageList, class_folders, list_file
from data_prep.image_sets import ImageSet, kind_of, open_image_set
from data_prep.images import Image, decode_rgb, encode_jpeg, one_thread_each
from data_prep.training_set import TrainingSetWriter

_AS_IT_IS = ImageHeader("jpeg", SIDE, SIDE)
_BLOCK = 64  # images a thread loads at a time, so that handing over costs little


@dataclass(frozen=True)
class Packed:
    """What went into a training set."""

    images: int
    classes: int
    encoded: int  # were not JPEG, or not 112x112
    resized: int  # were not 112x112
    other_files: int  # in the folders, and no images by their names


def pack(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    quality: int = 95,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Write OUT/train.rec, .idx, property and labels.json from SRC.

    SRC is a folder, whose folders are the classes in the order of their names, a list file of
    `path, label` lines, or a set of any other kind with classes (tar shards, a .rec), which are
    numbered without gaps. 112x112 JPEG images are stored byte for byte; others are decoded, cut to
    their central square, resized to 112x112 and encoded once at `quality`. Memory does not grow
    with the images of a folder or list; the set appears when it is whole.

    Raises DataError naming the file for an unreadable or truncated image, UserError for a wrong
    option or an OUT that holds a set already.
    """
    source, out = Path(source), Path(out)
    if not 1 <= quality <= 100:
        raise UserError(f"--quality {quality} is out of range; choose 1 to 100")
    if (out / "train.rec").exists():
        raise UserError(f"{out / 'train.rec'} is there already: delete it or choose another folder")
    work = _work(source)
    encoded = resized = done = 0
    with one_thread_each(), TrainingSetWriter(out, (SIDE, SIDE)) as writer:
        (out / NAME).unlink(missing_ok=True)  # of a former set
        for label, image, stored in _load(work.images, quality, threads):
            writer.add(label, image)
            encoded += stored is not None
            resized += stored is not None and stored[1:] != (SIDE, SIDE)
            done += 1
            if progress is not None and (done % 256 == 0 or done == work.total):
                progress(done, work.total)
        write_class_names(out, work.names)
    return Packed(done, len(work.names), encoded, resized, work.other_files)


class _Image(NamedTuple):
    """One image to pack; `where` is the line that lists it, "" without a list."""

    label: int
    read: Callable[[], bytes]
    place: str
    where: str


class _Work(NamedTuple):
    """The images to pack, classes ascending, and the names of these."""

    images: Iterable[_Image]
    total: int
    names: list[str]
    other_files: int


def _work(source: Path) -> _Work:
    kind = kind_of(source)
    if kind is None and not source.exists():
        raise DataError(f"{source}: no such folder or list file")
    if kind is None:
        return _listed(list_file(source))
    if kind.each_is_a_file:
        return _listed(class_folders(source))  # the same images as the kind's, but not held
    return _in_class_order(open_image_set(source))


def _listed(found: ImageList) -> _Work:
    images = (
        _Image(image.label, partial(read_file, image.path), image.path, image.where)
        for image in found.images()
    )
    return _Work(images, found.total, found.names, found.other_files)


def _in_class_order(found: ImageSet) -> _Work:
    found.require_classes()
    former, labels = np.unique(found.labels, return_inverse=True)
    images = (
        _Image(int(labels[i]), partial(found.read, i), found.place(i), "")
        for i in np.argsort(labels, kind="stable").tolist()
    )
    names = [found.class_names.get(label, str(label)) for label in former.tolist()]
    return _Work(images, len(found), names, found.other_files)


def _load(
    images: Iterable[_Image], quality: int, threads: int | None
) -> Iterator[tuple[int, bytes, ImageHeader | None]]:
    """Label, bytes to store and, where they were encoded anew, what they were; in order.

    Threads read ahead a bounded number of blocks, so memory stays flat.
    """
    workers, images = threads or os.cpu_count() or 1, iter(images)
    with ThreadPoolExecutor(workers, "pack") as pool:
        pending: deque[Future[list[tuple[int, bytes, ImageHeader | None]]]] = deque()
        try:
            while True:
                while len(pending) < 2 * workers and (block := list(islice(images, _BLOCK))):
                    pending.append(pool.submit(_load_block, block, quality))
                if not pending:
                    return
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _load_block(block: list[_Image], quality: int) -> list[tuple[int, bytes, ImageHeader | None]]:
    return [(image.label, *_stored(image, quality)) for image in block]


def _stored(image: _Image, quality: int) -> tuple[bytes, ImageHeader | None]:
    """The bytes to store; with the header of what they were if they were encoded anew."""
    try:
        data = image.read()
        header = image_header(data)
        if header == _AS_IT_IS and data.endswith(END_OF_IMAGE):
            return data, None
        try:
            if reason := container_damage(data):
                raise DataError(reason)
            assert header is not None
            if header == _AS_IT_IS:
                return data, None
            return encode_jpeg(_square(decode_rgb(data)), quality), header
        except DataError as error:
            raise DataError(
                f"{image.place}: {error}; delete it, or see `data check` for all such images"
            ) from None
    except DataError as error:
        raise DataError(f"{image.where}: {error}" if image.where else str(error)) from None


def _square(image: Image) -> Image:
    """The central square of (h, w, 3), as 112x112."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    if side == SIDE:
        return square
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return cv2.resize(square, (SIDE, SIDE), interpolation=method).astype(np.uint8, copy=False)
