"""A data set of generated faces: a training set and three pair files in the field's own formats.

Every image is a pure function of (seed, split, identity, image): its random numbers come from
``Philox(SeedSequence(seed, spawn_key=…))``, never from a stream shared with other images. So any
image can be rendered alone, and the files do not depend on how many threads wrote them.

Training and each pair file are splits of their own, so no person is in two of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.errors import UserError
from data_prep.faces.parameters import Capture, Identity, draw_capture, draw_identity
from data_prep.faces.renderer import encode, render
from data_prep.pairs import write_pairs
from data_prep.training_set import TrainingSetWriter

FOLDS = 10
TRAIN_FILES = ("train.rec", "train.idx", "property")

_Range = tuple[float, float]
_IDENTITY, _IMAGE, _PAIRS = 0, 1, 2  # what a random stream is for
_TRAIN_SPLIT = 0
_MAX_RECORDS = 1 << 24  # labels are float32, so larger keys are not exact


@dataclass(frozen=True)
class PhotoConditions:
    """Ranges of a photo's yaw (degrees, to either side) and age; None: the whole mix."""

    yaw: _Range | None = None
    age: _Range | None = None


@dataclass(frozen=True)
class PairFile:
    """One pair file: the first image of a pair is taken under ``left``, the second ``right``."""

    name: str
    split: int
    left: PhotoConditions
    right: PhotoConditions


_FACING = PhotoConditions(yaw=(0, 20), age=(-0.5, 0.5))  # everything else as in the training set
PAIR_FILES = (
    PairFile("synth_frontal", 1, _FACING, _FACING),
    PairFile("synth_pose", 2, PhotoConditions(yaw=(0, 10)), PhotoConditions(yaw=(45, 75))),
    PairFile("synth_age", 3, PhotoConditions(age=(-1.0, -0.6)), PhotoConditions(age=(0.6, 1.0))),
)
_WORTH_A_PROCESS = 500  # images: about a second's work
#: Photographs a person has on either side of a pair; images recur in pairs as in the real files.
_PHOTOS_PER_SIDE = 3


@dataclass(frozen=True)
class Photo:
    """The address of one image: photo ``image`` of person ``identity`` of a split."""

    split: int
    identity: int
    image: int
    conditions: PhotoConditions = PhotoConditions()


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))


@lru_cache(maxsize=64)
def person(seed: int, split: int, identity: int) -> Identity:
    """Who a person of a split is."""
    return draw_identity(_stream(seed, split, _IDENTITY, identity))


def photo_parameters(seed: int, photo: Photo) -> tuple[Identity, Capture]:
    """Who is on a photo and how it was taken."""
    rng = _stream(seed, photo.split, _IMAGE, photo.identity, photo.image)
    capture = draw_capture(rng, photo.conditions.yaw, photo.conditions.age)
    return person(seed, photo.split, photo.identity), capture


def render_photo(seed: int, photo: Photo) -> bytes:
    """The encoded image at an address, alone."""
    who, capture = photo_parameters(seed, photo)
    return encode(render(who, capture), capture.jpeg_quality)


def plan_pairs(seed: int, file: PairFile, pairs: int) -> tuple[list[Photo], NDArray[np.bool_]]:
    """The 2·pairs photos of a pair file and its truth values.

    Ten folds, in each first the same-person pairs, then as many different-person pairs. A fold
    has persons of its own; no pair occurs twice.
    """
    half = pairs // FOLDS // 2
    persons = max(2, half // 2)
    photos: list[Photo] = []
    for fold in range(FOLDS):
        rng = _stream(seed, file.split, _PAIRS, fold)
        chosen = _same_pairs(rng, persons, half) + _different_pairs(rng, persons, half)
        for left, right in chosen:
            for (person, image), conditions in ((left, file.left), (right, file.right)):
                photos.append(Photo(file.split, fold * persons + person, image, conditions))
    same = np.tile(np.repeat([True, False], half), FOLDS)
    return photos, same


_Pair = tuple[tuple[int, int], tuple[int, int]]  # (person, image) twice


def _same_pairs(rng: np.random.Generator, persons: int, count: int) -> list[_Pair]:
    """Everyone in turn, each time another of the combinations of a left and a right photo."""
    combinations = _PHOTOS_PER_SIDE**2
    orders = [rng.permutation(combinations) for _ in range(persons)]
    pairs: list[_Pair] = []
    for k in range(count):
        person = k % persons
        left, right = divmod(int(orders[person][k // persons]), _PHOTOS_PER_SIDE)
        pairs.append(((person, left), (person, _PHOTOS_PER_SIDE + right)))
    return pairs


def _different_pairs(rng: np.random.Generator, persons: int, count: int) -> list[_Pair]:
    """Pairs of two persons, drawn without repetition."""
    pairs: dict[_Pair, None] = {}
    while len(pairs) < count:
        one, other = (int(p) for p in rng.choice(persons, 2, replace=False))
        left, right = (int(i) for i in rng.integers(0, _PHOTOS_PER_SIDE, 2))
        pairs[(one, left), (other, _PHOTOS_PER_SIDE + right)] = None
    return list(pairs)


def generate(
    out: str | os.PathLike[str],
    identities: int = 200,
    images: int = 30,
    seed: int = 0,
    pairs: int = 600,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a training set (train.rec, train.idx, property) and the three pair files to ``out``.

    Args:
        out: a directory without a data set; it is made if missing. Files appear there when all
            are complete.
        identities: persons (classes) in the training set; the pair files have their own.
        images: photos of each of them.
        seed: the same seed gives the same bytes.
        pairs: pairs in each pair file, a multiple of 20 (ten folds, half of each same).
        workers: processes that render; None: one a core where there is enough to do. No effect
            on the result.
        progress: called with (images done, images in all).

    Raises:
        UserError: a count that makes no data set, or ``out`` holds one.
    """
    directory = Path(out)
    _check(directory, identities, images, seed, pairs, workers)
    plans = [(file, *plan_pairs(seed, file, pairs)) for file in PAIR_FILES]
    unique = [list(dict.fromkeys(photos)) for _, photos, _ in plans]
    total = identities * images + sum(map(len, unique))
    draft = directory / ".synth.partial"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        with _Renderer(seed, _worker_count(workers, total), total, progress) as rendered:
            for (file, photos, same), once in zip(plans, unique, strict=True):
                pictures = dict(rendered(once))
                write_pairs(draft / f"{file.name}.bin", [pictures[p] for p in photos], same)
            with TrainingSetWriter(draft) as writer:
                for photo, image in rendered(_training_photos(identities, images)):
                    writer.add(photo.identity, image)
        _publish(draft, directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _worker_count(wanted: int | None, total: int) -> int:
    """A process more must have enough to do to be worth its start."""
    if wanted is not None:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, total // _WORTH_A_PROCESS))


def _training_photos(identities: int, images: int) -> Iterator[Photo]:
    for identity in range(identities):
        for image in range(images):
            yield Photo(_TRAIN_SPLIT, identity, image)


def _render_chunk(seed: int, photos: list[Photo]) -> list[bytes]:
    return [render_photo(seed, photo) for photo in photos]


def _start_worker() -> None:
    # The parent handles Ctrl-C; and one process a core needs no OpenCV threads on top.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that is killed tells nobody; its workers would wait for tasks for ever.
    parent = parent_process()
    assert parent is not None, "only workers run this"
    parent.join()
    os._exit(1)


class _Renderer:
    """Photos in; (photo, encoded image) out in the same order, a few ahead.

    Processes, not threads: a face is a few hundred short calls that would queue for Python's
    lock. They are spawned, not forked, because the caller may have threads (PyTorch's) running.
    """

    _CHUNK = 16  # photos a task: enough to make the hand-over negligible
    _AHEAD = 4  # tasks waiting for each worker: bounds the memory

    def __init__(
        self,
        seed: int,
        workers: int,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._seed, self._workers, self._total, self._progress = seed, workers, total, progress
        self._done = 0
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Renderer:
        if self._workers > 1:
            self._pool = ProcessPoolExecutor(
                self._workers, get_context("spawn"), initializer=_start_worker
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def __call__(self, photos: Iterable[Photo]) -> Iterator[tuple[Photo, bytes]]:
        waiting: deque[tuple[list[Photo], Future[list[bytes]]]] = deque()
        remaining = iter(photos)
        while True:
            chunk = list(islice(remaining, self._CHUNK))
            if chunk:
                waiting.append((chunk, self._submit(chunk)))
            if waiting and (not chunk or len(waiting) > self._AHEAD * self._workers):
                done, task = waiting.popleft()
                yield from zip(done, task.result(), strict=True)
                self._report(len(done))
            elif not chunk:
                return

    def _submit(self, chunk: list[Photo]) -> Future[list[bytes]]:
        if self._pool:
            return self._pool.submit(_render_chunk, self._seed, chunk)
        finished: Future[list[bytes]] = Future()
        finished.set_result(_render_chunk(self._seed, chunk))
        return finished

    def _report(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, self._total)


def _check(
    directory: Path, identities: int, images: int, seed: int, pairs: int, workers: int | None
) -> None:
    if identities < 2:
        raise UserError(f"identities: {identities} is too few, training needs at least 2")
    if images < 1:
        raise UserError(f"images: {images} is too few, every identity needs at least 1")
    if identities * (images + 1) >= _MAX_RECORDS:
        raise UserError(
            f"identities × images: {identities} × {images} is beyond the format's"
            f" {_MAX_RECORDS} records; ask for fewer"
        )
    if seed < 0:
        raise UserError(f"seed: {seed} is negative; use 0 or more")
    if pairs < 2 * FOLDS or pairs % (2 * FOLDS):
        raise UserError(
            f"pairs: {pairs} does not make {FOLDS} balanced folds; use a multiple of {2 * FOLDS}"
        )
    if workers is not None and workers < 1:
        raise UserError(f"workers: {workers} processes cannot render; use 1 or more")
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory}: is a file; name a directory")
    for name in _file_names():
        if (directory / name).exists():
            raise UserError(
                f"{directory}: already holds {name}; name another directory or remove it first"
            )


def _file_names() -> tuple[str, ...]:
    # In the order in which they are published: what makes it a training set comes last.
    return (*(f"{file.name}.bin" for file in PAIR_FILES), *reversed(TRAIN_FILES))


def _publish(draft: Path, directory: Path) -> None:
    for name in _file_names():
        os.replace(draft / name, directory / name)
