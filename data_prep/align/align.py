"""A folder tree of photos → the same tree of 112x112 crops."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.align.detector import PICKS, Face, FaceFinder, pick_face
from data_prep.align.face_crop import center_crop, crop, crop_side, yaw_degrees
from data_prep.align.landmarks import Landmarks
from data_prep.align.report import Journal, Row, Summary, begin, finish
from data_prep.errors import DataError, UserError
from data_prep.files import write_bytes
from data_prep.image_header import FORMATS
from data_prep.images import (
    Image,
    crop_name,
    encode_as,
    is_image_name,
    one_thread_each,
    read_rgb,
    walk_files,
)

FALLBACKS = ("none", "center")


@dataclass(frozen=True)
class Aligner:
    """Photo → crop, with one finder and one set of choices. Used by several threads at once."""

    finder: FaceFinder
    pick: str = PICKS[0]
    fallback: str = "none"
    quality: int = 95

    def align(self, name: str, image: Image) -> tuple[Image | None, Row]:
        """(h, w, 3) uint8 RGB → crop (or None) and its row of the report."""
        height, width = image.shape[:2]
        faces = self.finder.faces(name, image)
        if faces:
            face = pick_face(faces, (width, height), self.pick)
            return crop(image, face.landmarks), _row(name, image, face, len(faces))
        row = Row(name, self.finder.no_face, width=width, height=height)
        if self.fallback == "center":
            return center_crop(image), replace(row, crop="center")
        return None, row

    def align_file(self, src: Path, out: Path, name: str) -> Row:
        """Read, align and write one file; an unreadable photo is a row, not an exception."""
        try:
            image = read_rgb(src / name)
        except DataError as error:
            return Row(name, "unreadable", note=str(error).removeprefix(f"{src / name}: "))
        cut, row = self.align(name, image)
        if cut is not None:
            target = out / crop_name(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, encode_as(target.suffix, cut, self.quality), durable=False)
        return row


def _row(name: str, image: Image, face: Face, faces: int) -> Row:
    return Row(
        name,
        "found" if faces == 1 else "several",
        "landmarks",
        faces,
        image.shape[1],
        image.shape[0],
        round(face.score, 3),
        round(crop_side(face.landmarks), 1),
        round(yaw_degrees(face.landmarks), 1),
        " ".join(f"{number:.2f}" for number in face.landmarks.ravel()),
    )


def align(
    src: str | os.PathLike[str],
    out: str | os.PathLike[str],
    finder: FaceFinder,
    *,
    pick: str = PICKS[0],
    fallback: str = "none",
    quality: int = 95,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Align every photo below `src` into `out`; what an earlier run finished is left alone.

    A crop has its photo's relative path and format, except that a GIF's crop is a PNG. OUT also
    gets align-report.csv (one row per photo), .json (settings, summary) and .png (distributions).

    Args:
        finder: a `YuNet` or `Landmarks`.
        pick: which of several faces: central-and-large, largest, central or best.
        fallback: for photos without a face or landmarks: none (only listed) or center (the centred
            square).
        quality: of JPEG, WebP and AVIF crops, 1 to 100.
        threads: None is one per core; the heavy work releases the GIL.

    Interrupted at any point, the same call continues where it stopped.

    Raises:
        UserError: `out` holds something else, or crops with other settings.
        DataError: `src` holds no photo, or two photos would have one crop.
    """
    src, out = Path(src), Path(out)
    _check(src, out, pick, fallback, quality, threads)
    started = time.perf_counter()
    others, photos = _count(src)
    if not photos:
        raise DataError(f"{src}: no {FORMATS} photo in it or below")
    if isinstance(finder, Landmarks):
        _check_names(finder, src)
    aligner = Aligner(finder, pick, fallback, quality)
    settings = finder.settings() | {"pick": pick, "fallback": fallback, "quality": quality}
    begin(out, settings)
    with one_thread_each(), Journal(out) as journal:
        skipped = _run(aligner, src, out, journal, threads or _cores(), photos, progress)
    summary = Summary(already_there=skipped, other_files=others)
    summary.seconds = round(time.perf_counter() - started, 3)
    finish(out, settings, summary)
    return summary


def _run(
    aligner: Aligner,
    src: Path,
    out: Path,
    journal: Journal,
    threads: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Align what the journal lacks, in order, few photos in flight; returns how many it had."""
    waiting: deque[Future[Row]] = deque()
    skipped = done = 0

    def settle() -> None:
        nonlocal done
        journal.add(waiting.popleft().result())
        done += 1
        if progress is not None:
            progress(done + skipped, total)

    pool = ThreadPoolExecutor(threads)
    try:
        for name in _photos(src):
            if name in journal:
                skipped += 1
                continue
            waiting.append(pool.submit(aligner.align_file, src, out, name))
            if len(waiting) >= 4 * threads:
                settle()
        while waiting:
            settle()
    finally:  # on Ctrl-C or a full disk too: keep what is done, start nothing more
        pool.shutdown(wait=True, cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                journal.add(future.result())
    if progress is not None:
        progress(total, total)
    return skipped


def _photos(src: Path) -> Iterator[str]:
    """Paths of the photos relative to SRC, in sorted order."""
    for folder, names in walk_files(src):
        prefix = f"{folder}/" if folder else ""
        yield from (prefix + name for name in names if is_image_name(name))


def _count(src: Path) -> tuple[int, int]:
    """Files that are no images, and photos; DataError where two photos would become one crop."""
    others = photos = 0
    for folder, names in walk_files(src):
        crops: dict[str, str] = {}
        for name in filter(is_image_name, names):
            other = crops.setdefault(crop_name(name), name)
            if other != name:
                raise DataError(
                    f"{src / folder}: {other} and {name} would both become {crop_name(name)}; "
                    "rename one of them"
                )
        photos += len(crops)
        others += len(names) - len(crops)
    return others, photos


def _check_names(landmarks: Landmarks, src: Path) -> None:
    """DataError for a list that names no photo of SRC: its paths start at another folder."""
    first = None
    for name in _photos(src):
        if name in landmarks:
            return
        first = first or name
    raise DataError(
        f"{landmarks.path}: names no photo of {src}: it has {landmarks.first_name()!r}, the folder "
        f"has {first!r}; give the SRC folder that the list's paths start from"
    )


def _check(
    src: Path, out: Path, pick: str, fallback: str, quality: int, threads: int | None
) -> None:
    if not src.is_dir():
        raise DataError(f"{src}: no such folder of photos")
    if pick not in PICKS:
        raise UserError(f"--pick {pick!r} is not known; choose one of {', '.join(PICKS)}")
    if fallback not in FALLBACKS:
        raise UserError(f"--fallback {fallback!r} is not known; choose none or center")
    if not 1 <= quality <= 100:
        raise UserError(f"--quality {quality} is out of range; choose 1 to 100")
    if threads is not None and threads < 1:
        raise UserError(f"--threads {threads}: choose at least 1")
    here, there = src.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UserError(f"{src} and {out} contain each other; choose an OUT folder elsewhere")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
