"""Class folders or a list of images → train.rec, train.idx, property and labels.json."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data_prep.class_names import NAME, write_class_names
from data_prep.collection import read_file
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError
from data_prep.image_container import END_OF_IMAGE, container_damage
from data_prep.image_header import ImageHeader, image_header
from data_prep.image_lists import Listed, class_folders, list_file
from data_prep.images import center_square, decode_rgb, encode_jpeg, one_thread_each
from data_prep.training_set import TrainingSetWriter

_AS_IT_IS = ImageHeader("jpeg", SIDE, SIDE)
_BLOCK = 64  # images that a thread loads at a time


@dataclass(frozen=True)
class Packed:
    """What went into a training set."""

    images: int
    classes: int
    encoded: int  # were not JPEG, or not 112x112
    resized: int  # were not 112x112
    other_files: int  # in the folders, without an image's suffix


def pack(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    quality: int = 95,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Write OUT/train.rec, .idx, property and labels.json from SRC.

    SRC is a folder, whose folders are the classes in the order of their names, or a list file: of
    `path, label` lines, or MXNet's .lst. Paths in a list start from `root`, by default the list's
    own folder. 112x112 JPEG images are stored byte for byte; others are decoded, cut to
    their central square, resized to 112x112 and encoded once at `quality`. Memory does not grow
    with the images; the set appears when it is whole.

    Raises DataError naming the file for an unreadable or truncated image, UserError for a wrong
    option or an OUT that holds a set already.
    """
    source, out = Path(source), Path(out)
    if not 1 <= quality <= 100:
        raise UserError(f"--quality {quality} is out of range; choose 1 to 100")
    if (out / "train.rec").exists():
        raise UserError(f"{out / 'train.rec'} is there already: delete it or choose another folder")
    if not source.exists():
        raise DataError(f"{source}: no such folder or list file")
    listed = class_folders(source) if source.is_dir() else list_file(source, root)
    encoded = resized = done = 0
    with one_thread_each(), TrainingSetWriter(out, (SIDE, SIDE)) as writer:
        (out / NAME).unlink(missing_ok=True)  # of a former set
        for label, image, stored in _load(listed.images(), quality, threads):
            writer.add(label, image)
            encoded += stored is not None
            resized += stored is not None and stored[1:] != (SIDE, SIDE)
            done += 1
            if progress is not None and (done % 256 == 0 or done == listed.total):
                progress(done, listed.total)
        write_class_names(out, listed.names)
    return Packed(done, len(listed.names), encoded, resized, listed.other_files)


def _load(
    images: Iterator[Listed], quality: int, threads: int | None
) -> Iterator[tuple[int, bytes, ImageHeader | None]]:
    """Label, bytes to store and, if they were encoded again, the original header; in order.

    Threads read ahead a bounded number of blocks, so memory stays flat.
    """
    workers = threads or os.cpu_count() or 1
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


def _load_block(block: list[Listed], quality: int) -> list[tuple[int, bytes, ImageHeader | None]]:
    return [(image.label, *_stored(image, quality)) for image in block]


def _stored(image: Listed, quality: int) -> tuple[bytes, ImageHeader | None]:
    """The bytes to store; with the original header if they were encoded again."""
    try:
        data = read_file(image.path)
        header = image_header(data)
        if header == _AS_IT_IS and data.endswith(END_OF_IMAGE):
            return data, None
        try:
            if reason := container_damage(data):
                raise DataError(reason)
            assert header is not None
            if header == _AS_IT_IS:
                return data, None
            return encode_jpeg(center_square(decode_rgb(data)), quality), header
        except DataError as error:
            raise DataError(
                f"{image.path}: {error}; delete it, or see `data check` for all such images"
            ) from None
    except DataError as error:
        raise DataError(f"{image.where}: {error}" if image.where else str(error)) from None
