"""`data pack`, `extract`, `check` and `inspect` against the minimum work that each has to do.

The baseline of pack reads the files one by one and appends them to another file, that of extract
writes them one by one, that of check only decodes them on one core, that of inspect reads the label
of every record through the reader. All use generated crops in a temporary folder, whose file system
affects the results: set TMPDIR to use another one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from arcface_plus.bench.timing import measure
from data_prep.check import check
from data_prep.extract import extract
from data_prep.faces.synthetic import generate
from data_prep.images import one_thread_each
from data_prep.inspect.inspect import inspect
from data_prep.inspect.text import describe
from data_prep.pack import pack
from data_prep.recordio import RecordReader
from data_prep.training_set import TrainingSetWriter, image_keys

_PEOPLE, _DRAWN = 20, 200  # faces that are drawn; the sets repeat them


def run(images: int = 20_000, records: int = 500_000, repeats: int = 3) -> dict[str, Any]:
    """Rates of the four tools; check runs on one core.

    Rows: name, images_per_second, seconds, ratio = baseline seconds over seconds. `records` is the
    number of records of the .rec that is inspected (4 KB each on disk).
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, one_thread_each():
        folder = Path(name)
        drawn = _draw(folder)
        _build(folder / "set", drawn, images)
        extract(folder / "set", folder / "files")
        files = _files(folder / "files")
        for title, rivals in (
            (f"pack {images:,} stored images", _pack_rivals(folder, files)),
            (f"extract {images:,} images", _extract_rivals(folder, drawn, files)),
            (f"check {images:,} images, one core", _check_rivals(folder)),
        ):
            rows += _rows(title, rivals, images, repeats)
        _build(folder / "large", drawn, records)
        rows += _rows(f"inspect {records:,} records", _inspect_rivals(folder / "large"), records, 1)
    return {"title": f"data tools, {os.cpu_count()} cores, 112x112 JPEG", "rows": rows}


def _rows(
    title: str, rivals: dict[str, Callable[[], object]], images: int, repeats: int
) -> list[dict[str, Any]]:
    seconds = {k: median(v) for k, v in measure(rivals, repeats, warmup=0).items()}
    baseline = next(iter(seconds.values()))
    return [
        {
            "name": f"{title}: {rival}",
            "images_per_second": images / value,
            "seconds": value,
            "ratio": baseline / value,
        }
        for rival, value in seconds.items()
    ]


def _draw(folder: Path) -> list[bytes]:
    """Encoded crops of a few generated people."""
    generate(folder / "drawn", identities=_PEOPLE, images=_DRAWN // _PEOPLE, pairs=20)
    with RecordReader(folder / "drawn" / "train.rec") as reader:
        return [reader[key].image for key in image_keys(reader).tolist()]


def _build(folder: Path, drawn: list[bytes], images: int) -> None:
    with TrainingSetWriter(folder) as writer:
        for k in range(images):
            writer.add(k // 50, drawn[k % len(drawn)])


def _files(folder: Path) -> list[str]:
    lines = (folder / "images.tsv").read_text(encoding="utf-8").splitlines()
    return [f"{folder}/{line.split(chr(9))[0]}" for line in lines]


def _pack_rivals(folder: Path, files: list[str]) -> dict[str, Callable[[], object]]:
    def plain() -> None:
        with open(folder / "plain.dat", "wb") as out:
            for name in files:
                with open(name, "rb") as file:
                    out.write(file.read())
            out.flush()
            os.fsync(out.fileno())

    def ours() -> None:
        shutil.rmtree(folder / "packed", ignore_errors=True)
        pack(folder / "files", folder / "packed")

    return {"read and append": plain, "ours": ours}


def _extract_rivals(
    folder: Path, drawn: list[bytes], files: list[str]
) -> dict[str, Callable[[], object]]:
    def plain() -> None:
        target = folder / "plain"
        shutil.rmtree(target, ignore_errors=True)
        for k, name in enumerate(files):
            path = target / name.removeprefix(f"{folder}/files/")
            if k % 50 == 0:
                path.parent.mkdir(parents=True)
            with open(path, "wb") as file:
                file.write(drawn[k % len(drawn)])

    def ours() -> None:
        shutil.rmtree(folder / "extracted", ignore_errors=True)
        extract(folder / "set", folder / "extracted")

    return {"write one by one": plain, "ours": ours}


def _check_rivals(folder: Path) -> dict[str, Callable[[], object]]:
    def plain() -> None:
        with RecordReader(folder / "set" / "train.rec") as reader:
            for key in image_keys(reader).tolist():
                cv2.imdecode(np.frombuffer(reader[key].image, np.uint8), cv2.IMREAD_COLOR)

    return {"decode alone": plain, "ours": lambda: check(folder / "set", threads=1)}


def _inspect_rivals(folder: Path) -> dict[str, Callable[[], object]]:
    def plain() -> None:
        with RecordReader(folder / "train.rec") as reader:
            for key in image_keys(reader).tolist():
                float(np.ravel(reader[key].label)[0])

    return {"every label by itself": plain, "ours": lambda: describe(inspect(folder))}
