"""Speed of alignment: photos/s on one core and on all, with the detector and with a landmark list.

The baseline is the usual script: one photo after the other with OpenCV's own calls, no report, no
resuming. Photos are real if a folder is given (250x250 for the published figure); otherwise noise
with one drawn face's landmarks, which only a list can align.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from arcface_plus.bench.timing import measure
from data_prep.align.align import align
from data_prep.align.detector import FaceFinder, YuNet, pick_face
from data_prep.align.face_crop import TEMPLATE
from data_prep.align.landmarks import Landmarks
from data_prep.crop_size import SIDE
from data_prep.images import encode_jpeg, is_image_name, walk_files


def run(
    photos: Path | None = None, model: Path | None = None, count: int = 480, repeats: int = 3
) -> dict[str, Any]:
    """Photos/s of `align` against the plain loop, interleaved.

    Args:
        photos: a folder tree of photos, repeated until there are `count`; None draws 250x250 noise.
        model: the YuNet file; None omits the detector's rows.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with tempfile.TemporaryDirectory() as folder:
        src = Path(folder) / "photos"
        _fill(src, photos, count)
        (Path(folder) / "list.txt").write_text(_landmark_list(src))
        rivals: dict[str, Callable[[], object]] = {}
        finders: dict[str, FaceFinder] = {"landmark list": Landmarks(Path(folder) / "list.txt")}
        if model is not None and photos is not None:
            yunet = YuNet(model)
            finders["YuNet"] = yunet
            rivals["plain loop over OpenCV, YuNet, 1 core"] = lambda: _plain(src, folder, yunet)
        for name, finder in finders.items():
            for threads in sorted({1, cores}):
                label = f"align, {name}, {threads} core{'s' * (threads > 1)}"
                rivals[label] = _align_again(src, folder, finder, threads)
        seconds = {name: median(times) for name, times in measure(rivals, repeats).items()}
    baseline = next(iter(seconds.values()))
    return {
        "title": f"photo → crop, {count} photos{'' if photos else ' of 250×250 noise'}",
        "rows": [
            {
                "name": name,
                "photos_per_second": count / value,
                "photos_per_second_a_core": count
                / value
                / (cores if f"{cores} cores" in name else 1),
                "ratio": baseline / value,
            }
            for name, value in seconds.items()
        ],
    }


def _align_again(src: Path, folder: str, finder: FaceFinder, threads: int) -> Callable[[], object]:
    def again() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            align(src, out, finder, threads=threads)

    return again


def _plain(src: Path, folder: str, yunet: YuNet) -> None:
    """As a user would write it, but with our detector, so that the work is the same."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for path in src.rglob("*.jpg"):
            photo = cv2.imread(str(path))
            assert photo is not None
            rgb = np.ascontiguousarray(photo[..., ::-1]).astype(np.uint8)
            faces = yunet.faces("", rgb)
            if faces:
                points = pick_face(faces, (rgb.shape[1], rgb.shape[0])).landmarks
                matrix, _ = cv2.estimateAffinePartial2D(points, TEMPLATE, method=cv2.LMEDS)
                crop = cv2.warpAffine(photo, matrix, (SIDE, SIDE))
                cv2.imwrite(f"{folder}/plain.jpg", crop)
    finally:
        cv2.setNumThreads(threads)


def _fill(src: Path, photos: Path | None, count: int) -> None:
    """`count` JPEG files in folders of 60: copies of the photos, or noise."""
    images = [path.read_bytes() for path in _photo_paths(photos)] if photos else []
    if not images:
        noise = np.random.default_rng(0).integers(0, 256, (8, 25, 25, 3), np.uint8)
        images = [encode_jpeg(picture.repeat(10, 0).repeat(10, 1)) for picture in noise]
    for k in range(count):
        path = src / f"{k // 60:04d}" / f"{k:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images[k % len(images)])


def _photo_paths(photos: Path) -> list[Path]:
    found = ((folder, name) for folder, names in walk_files(photos) for name in names)
    return [photos / folder / name for folder, name in found if is_image_name(name)]


def _landmark_list(src: Path) -> str:
    numbers = " ".join(f"{number:.1f}" for number in (TEMPLATE * 1.2 + 58).ravel())
    return "".join(
        f"{path.relative_to(src).as_posix()} {numbers}\n" for path in sorted(src.rglob("*.jpg"))
    )
