"""A checked set is written anew without what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.check import check
from data_prep.errors import DataError, UserError
from data_prep.pairs import write_pairs
from data_prep.recordio import RecordReader
from data_prep.repair import repair
from data_prep.training_set import TrainingSetWriter, read_index


def face(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (112, 112), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def make_set(folder: Path, images: list[tuple[int, bytes]]) -> Path:
    with TrainingSetWriter(folder) as writer:
        for label, image in images:
            writer.add(label, image)
    return folder


def test_repair_keeps_bytes_and_names(tmp_path: Path) -> None:
    bad = [(0, face(0)), (0, face(0)), (1, b"broken")]
    bad += [(2, face(7)), (2, face(8)), (3, face(8)), (3, face(9))]
    make_set(tmp_path / "set", bad)
    (tmp_path / "set/labels.json").write_text('{"0": "a", "1": "b", "2": "c"}')
    report = check(tmp_path / "set")
    mended = repair(report, tmp_path / "out")
    assert (mended.images, mended.classes, mended.dropped, mended.renumbered) == (3, 3, 4, True)
    reader = RecordReader(tmp_path / "out/train.rec")
    index = read_index(reader)
    assert index.labels.tolist() == [0, 1, 2]
    assert [reader[k].image for k in (1, 2, 3)] == [face(0), face(7), face(9)]
    names = json.loads((tmp_path / "out/labels.json").read_text())
    assert names == {"0": "a", "1": "c", "2": "3"}
    with pytest.raises(UserError, match="is there already"):
        repair(report, tmp_path / "set")
    nothing = check(make_set(tmp_path / "hopeless", [(0, b"x")]))
    with pytest.raises(DataError, match="no sound image is left"):
        repair(nothing, tmp_path / "out2")


def test_shards_become_a_sound_record_file(tmp_path: Path, write_tar) -> None:
    members = {
        "0.jpg": face(0), "0.cls": b"4", "1.jpg": face(1)[:-9], "1.cls": b"2", "2.jpg": face(2),
        "2.cls": b"2", "3.jpg": face(3),
    }  # fmt: skip
    mended = repair(check(write_tar(tmp_path / "0.tar", members)), tmp_path / "out")
    assert (mended.images, mended.classes, mended.dropped, mended.renumbered) == (2, 2, 2, True)
    reader = RecordReader(tmp_path / "out/train.rec")
    assert [reader[k].image for k in (1, 2)] == [face(2), face(0)]
    assert json.loads((tmp_path / "out/labels.json").read_text()) == {"0": "2", "1": "4"}
    assert check(tmp_path / "out").ok


def test_what_is_no_set_of_crops_is_not_mended(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.bin", [face(0), face(1)], [True])
    with pytest.raises(UserError, match=r"needs a training set; .*a.bin is a pair file"):
        repair(check(tmp_path / "a.bin"), tmp_path / "out")
    (tmp_path / "photos" / "anna").mkdir(parents=True)
    (tmp_path / "photos" / "anna" / "1.jpg").write_bytes(face(0))
    with pytest.raises(UserError, match=r"needs a set of crops; .*photos is a folder: delete"):
        repair(check(tmp_path / "photos"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
