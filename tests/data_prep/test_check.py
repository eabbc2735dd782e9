"""`data check` finds each kind of damage that is done to a sound set, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.check import KINDS, Report, check
from data_prep.errors import DataError, UserError
from data_prep.pairs import write_pairs
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.repair import repair
from data_prep.training_set import TrainingSetWriter, read_index


def face(seed: int, side: int = 112, suffix: str = ".jpg", flags: tuple[int, ...] = ()) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(suffix, pixels, flags)[1].tobytes()


def make_set(folder: Path, images: list[tuple[int, bytes]]) -> Path:
    with TrainingSetWriter(folder) as writer:
        for label, image in images:
            writer.add(label, image)
    return folder


def kinds(report: Report) -> dict[str, int]:
    return {kind: report.count(kind) for kind in KINDS if report.count(kind)}


def messages(report: Report) -> str:
    return "\n".join(finding.message for finding in report.findings)


SOUND = [(k // 3, face(k)) for k in range(12)]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_sound_set(tmp_path: Path, threads: int) -> None:
    seen: list[tuple[int, int]] = []
    report = check(make_set(tmp_path, SOUND), threads=threads, progress=lambda *at: seen.append(at))
    assert report.ok
    assert report.labels.tolist() == [k // 3 for k in range(12)]
    assert seen == [(12, 12)]


DAMAGE = {
    "truncated": (face(50)[:-40], "record 13: truncated JPEG"),
    "cut by a byte": (face(50)[:-1], "record 13: truncated JPEG"),
    "empty": (b"", "record 13: empty"),
    "text": (b"hello", "record 13: not a JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF image"),
    "head only": (face(50)[:500], "record 13: "),
    "corrupt": (face(50)[:-300] + b"\xff\x42" + face(50)[-298:], "marker 42 among the pixels"),
    "png": (face(50, suffix=".png")[:-30], "truncated PNG"),
    "png pixels": (face(50, suffix=".png").replace(b"IDAT", b"IDAx"), "PNG"),
    "webp": (face(50, suffix=".webp")[:-9], "truncated WebP"),
    "bmp": (face(50, suffix=".bmp")[:-9], "truncated BMP"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_broken_images(tmp_path: Path, name: str) -> None:
    image, message = DAMAGE[name]
    report = check(make_set(tmp_path, [*SOUND, (3, image)]))
    assert kinds(report) == {"broken": 1}
    assert message in messages(report)
    assert report.findings[0].image == 12


def test_other_sizes_and_what_property_says(tmp_path: Path) -> None:
    make_set(tmp_path, [(0, face(0)), (0, face(1, 96))])
    report = check(tmp_path)
    assert kinds(report) == {"size": 1}
    assert "record 2: 96x96 pixels, not 112x112" in messages(report)
    (tmp_path / "property").write_text("1,96,96")
    assert "record 1: 112x112 pixels, not 96x96" in messages(check(tmp_path))


def test_labels_out_of_range(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "train.rec") as writer:
        for key, label in enumerate([0.0, -1.0, 0.5, 2.0, [5.0, 1.0]]):
            writer.write(key, face(key), label)
    (tmp_path / "property").write_text("2,112,112")
    report = check(tmp_path)
    assert kinds(report) == {"label": 4}
    assert "record 1: label -1 is not a class index" in messages(report)
    assert "record 2: label 0.5 is not a class index" in messages(report)
    assert "record 3: label 2, but property says 2 classes" in messages(report)
    assert "record 4: label 5, but property says 2 classes" in messages(report)


def test_duplicates_and_two_labels(tmp_path: Path) -> None:
    report = check(make_set(tmp_path, [*SOUND, (3, face(10)), (3, face(10)), (4, face(0))]))
    assert kinds(report) == {"two labels": 2, "duplicate": 2}
    assert "record 13: the same bytes as record 11, label 3" in messages(report)
    assert "record 1 (label 0), record 15 (label 4)" in messages(report)


def test_leaks(tmp_path: Path) -> None:
    write_pairs(tmp_path / "lfw.bin", [face(100), face(4), face(4), face(101)], [True, False])
    report = check(make_set(tmp_path / "set", SOUND), against=[tmp_path / "lfw.bin"])
    assert kinds(report) == {"leak": 1}
    assert "record 5: the same bytes as an image of" in messages(report)
    with pytest.raises(DataError, match=r"--against takes .bin files"):
        check(tmp_path / "set", against=[tmp_path / "set"])


def test_pair_files(tmp_path: Path) -> None:
    images = [face(k) for k in (0, 1, 2, 2, 3, 3)]
    images += [face(4)[:-9], face(0), face(5), face(6, 9)]
    write_pairs(tmp_path / "a.bin", images, [True, True, False, False, False])
    report = check(tmp_path / "a.bin")
    assert kinds(report) == {"broken": 1, "size": 1, "truth": 2}
    assert "pair 3, image 0: truncated JPEG" in messages(report)
    assert "pair 4, image 1: 9x9 pixels" in messages(report)
    assert "pair 1: both images are the same bytes (marked same, trivially)" in messages(report)
    assert "pair 2: both images are the same bytes (marked different, wrongly)" in messages(report)
    with pytest.raises(UserError, match=r"--repair needs a \.rec"):
        repair(report, tmp_path / "out")


def test_folders(tmp_path: Path) -> None:
    for name, data in {
        "a/1.jpg": face(0), "a/2.jpg": face(0), "b/1.jpg": face(1, 250), "b/2.png": face(2)[:-5],
        "c/1.jpg": face(3), "d/1.jpg": face(3),
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    report = check(tmp_path)
    assert kinds(report) == {"broken": 1, "two labels": 2, "duplicate": 1}
    assert "b/2.png: truncated JPEG" in messages(report)
    assert "a/2.jpg: the same bytes as a/1.jpg" in messages(report)


def test_truncated_record_file(tmp_path: Path) -> None:
    make_set(tmp_path, SOUND)
    path = tmp_path / "train.rec"
    reader = RecordReader(path)
    path.write_bytes(path.read_bytes()[: reader.offset(9) + 100])
    report = check(tmp_path)
    assert kinds(report) == {"broken": 4}
    assert f"record 9 at byte {reader.offset(9)} is broken" in messages(report)
    mended = repair(report, tmp_path / "out")
    assert (mended.images, mended.classes, mended.dropped) == (8, 3, 4)
    assert check(tmp_path / "out").ok


@pytest.mark.parametrize("lost", ["record 0", "an image", "no record 0 in the index"])
def test_index_that_disagrees(tmp_path: Path, lost: str) -> None:
    make_set(tmp_path, SOUND)
    index = tmp_path / "train.idx"
    lines = index.read_text().splitlines(keepends=True)
    if lost == "record 0":
        data = bytearray((tmp_path / "train.rec").read_bytes())
        data[:4] = b"oops"
        (tmp_path / "train.rec").write_bytes(data)
    else:
        del lines[4 if lost == "an image" else 0]
        index.write_text("".join(lines))
    report = check(tmp_path)
    if lost == "no record 0 in the index":  # then class records count as images without bytes
        assert kinds(report)["broken"] == 4
    else:
        assert kinds(report) == {"index": 1}
    assert len(report.collection) >= 11
    repair(report, tmp_path / "out")
    assert check(tmp_path / "out").ok
    assert len(read_index(RecordReader(tmp_path / "out/train.rec")).keys) == (
        11 if lost == "an image" else 12
    )


def test_repair_keeps_bytes_and_names(tmp_path: Path) -> None:
    bad = [(0, face(0)), (0, face(0)), (1, b"broken")]
    bad += [(2, face(7)), (2, face(8)), (3, face(8)), (3, face(9))]
    make_set(tmp_path / "set", bad)
    (tmp_path / "set/labels.json").write_text('{"0": "a", "1": "b", "2": "c"}')
    report = check(tmp_path / "set")
    assert kinds(report) == {"broken": 1, "two labels": 2, "duplicate": 1}
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


def test_real_data(real_data: Path) -> None:
    report = check(real_data / "cfp_train", against=[real_data / "lfw" / "lfw.bin"])
    assert kinds(report) == {"duplicate": 18}
    assert check(real_data / "lfw" / "lfw.bin").ok
