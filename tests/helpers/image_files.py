"""Small images, folders of them and what a training set holds, for tests of the data tools."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from data_prep.recordio import RecordReader
from data_prep.training_set import read_index


def face(seed: int, height: int = 112, width: int = 0, suffix: str = ".jpg") -> bytes:
    """An encoded smooth image, different for each seed; `width` 0 makes a square."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (width or height, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def tree(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below `root`, with their folders; returns `root`."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def contents(folder: Path) -> list[tuple[int, bytes]]:
    """Label and encoded image of every record of FOLDER/train.rec."""
    with RecordReader(folder / "train.rec") as reader:
        index = read_index(reader)
        return [
            (label, reader[key].image)
            for key, label in zip(index.keys.tolist(), index.labels.tolist(), strict=True)
        ]


def class_names(folder: Path) -> dict[str, str]:
    """The content of FOLDER/labels.json."""
    return json.loads((folder / "labels.json").read_text(encoding="utf-8"))
