"""What `data align` leaves behind is what `data pack` takes: its report is none of the images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.align.align import align
from data_prep.align.landmarks import Landmarks
from data_prep.align.report import REPORT_NAMES
from data_prep.inspect.inspect import inspect
from data_prep.pack import pack


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for person in ("anna", "bob"):
        (tmp_path / "photos" / person).mkdir(parents=True)
        for number in range(2):
            name = f"{person}/{number}.jpg"
            pixels = rng.integers(0, 256, (250, 250, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / name), pixels)
            rows.append(f"{name},100,110,150,110,125,140,105,165,145,165")
    (tmp_path / "landmarks.csv").write_text("\n".join(rows) + "\n")
    align(tmp_path / "photos", tmp_path / "crops", Landmarks(tmp_path / "landmarks.csv"))
    assert {path.name for path in (tmp_path / "crops").iterdir()} >= REPORT_NAMES
    return tmp_path / "crops"


def test_an_aligned_folder_packs_as_it_is(crops: Path, tmp_path: Path) -> None:
    packed = pack(crops, tmp_path / "set")
    assert (packed.images, packed.classes) == (4, 2)


def test_an_aligned_folder_is_inspected_as_it_is(crops: Path) -> None:
    assert inspect(crops).images == 4
