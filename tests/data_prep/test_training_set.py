"""InsightFace's layout: record 0, class records, property; what happens where they disagree."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.training_set import TrainingSetWriter, image_keys, read_index

Label = float | list[float]


def write_records(path: Path, records: list[tuple[int, Label, bytes]]) -> RecordReader:
    with RecordWriter(path) as writer:
        for key, label, image in records:
            writer.write(key, image, label)
    return RecordReader(path)


def small_set(folder: Path) -> RecordReader:
    with TrainingSetWriter(folder) as writer:
        for label, count in enumerate([2, 1, 3]):
            for k in range(count):
                writer.add(label, b"image %d of %d" % (k, label))
    return RecordReader(folder / "train.rec")


def test_layout_is_insightfaces(tmp_path: Path) -> None:
    reader = small_set(tmp_path)
    assert reader.keys.tolist() == list(range(10))
    assert reader[0].image == b""
    assert np.array_equal(reader[0].label, [7, 10])
    assert [reader[k].label for k in range(1, 7)] == [0, 0, 1, 2, 2, 2]
    assert reader[3].image == b"image 0 of 1"
    bounds = [np.array(reader[k].label).tolist() for k in range(7, 10)]
    assert bounds == [[1, 3], [3, 4], [4, 7]]
    assert (tmp_path / "property").read_text().strip() == "3,112,112"
    index = read_index(reader)
    assert (index.classes, index.keys.tolist()) == (3, [1, 2, 3, 4, 5, 6])
    assert index.labels.tolist() == [0, 0, 1, 2, 2, 2]


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("first_key", [0, 1, 40])
def test_set_without_record_0(tmp_path: Path, vector: bool, first_key: int) -> None:
    records: list[tuple[int, Label, bytes]] = [
        (first_key + k, [float(k % 3), 1.0] if vector else float(k % 3), b"i%d" % k)
        for k in range(5)
    ]
    index = read_index(write_records(tmp_path / "train.rec", records))
    assert index.keys.tolist() == list(range(first_key, first_key + 5))
    assert index.labels.tolist() == [0, 1, 2, 0, 1]
    assert index.classes == 3


def test_set_with_record_0_and_vector_labels(tmp_path: Path) -> None:
    records: list[tuple[int, Label, bytes]] = [
        (0, [3.0, 5.0], b""),
        (1, [0.0, 1.0], b"a"),
        (2, [1.0, 1.0], b"b"),
        (3, [1.0, 2.0], b""),
        (4, [2.0, 3.0], b""),
    ]
    index = read_index(write_records(tmp_path / "train.rec", records))
    assert (index.keys.tolist(), index.labels.tolist()) == ([1, 2], [0, 1])


def test_incomplete_copy_names_the_missing_record(tmp_path: Path) -> None:
    reader = small_set(tmp_path)
    path = reader.index_path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4] + lines[5:]))
    with pytest.raises(DataError, match=r"announces images 1 to 6, but train.idx lacks record 4"):
        image_keys(RecordReader(tmp_path / "train.rec"))
    path.write_text("".join(lines[:6]))
    with pytest.raises(DataError, match=r"announces images 1 to 6, but train.idx lacks record 6"):
        image_keys(RecordReader(tmp_path / "train.rec"))


@pytest.mark.parametrize("first", [float("nan"), float("inf"), -3.0, 0.0, 2.5, 1e30])
def test_absurd_record_0(tmp_path: Path, first: float) -> None:
    with RecordWriter(tmp_path / "train.rec") as writer:
        writer.write(0, np.array([first, 4.0], "<f4").tobytes(), 0.0)
    path = tmp_path / "train.rec"
    data = bytearray(path.read_bytes())
    data[8:12] = (2).to_bytes(4, "little")  # the 8 bytes of image become two labels
    path.write_bytes(data)
    reader = RecordReader(path)
    assert reader[0].image == b""
    with pytest.raises(DataError, match="record 0 announces images up to key"):
        image_keys(reader)


def test_announced_images_beyond_memory_cost_nothing(tmp_path: Path) -> None:
    reader = write_records(tmp_path / "train.rec", [(0, [2.0**25, 2.0**25], b""), (1, 0.0, b"a")])
    with pytest.raises(DataError, match="lacks record 2"):
        image_keys(reader)


@pytest.mark.parametrize("label", [-1.0, 0.5, 2.0**24, 1e30])
def test_label_that_is_no_class(tmp_path: Path, label: float) -> None:
    label = float(np.float32(label))
    reader = write_records(tmp_path / "train.rec", [(4, 0.0, b"a"), (5, label, b"b")])
    with pytest.raises(DataError, match=r"record 5 has label .*, not a class index"):
        read_index(reader)


def test_label_not_a_number(tmp_path: Path) -> None:
    reader = small_set(tmp_path)
    data = bytearray(reader.path.read_bytes())
    at = reader.offset(2) + 12
    data[at : at + 4] = np.float32("nan").tobytes()
    reader.path.write_bytes(data)
    with pytest.raises(DataError, match="record 2 has label nan, not a class index"):
        read_index(RecordReader(reader.path))


def test_property_that_disagrees(tmp_path: Path) -> None:
    reader = small_set(tmp_path)
    (tmp_path / "property").write_text("2,112,112")
    with pytest.raises(DataError, match=r"record 4 has label 2, but property says 2 classes"):
        read_index(reader)
    (tmp_path / "property").write_text("900,112,112")  # a subset keeps the property of the whole
    assert read_index(reader).classes == 3
    for text in ("3", "3,112", "a,b,c", "", "-3,112,112", "3," * 10**6, "9" * 5000 + ",1,1"):
        (tmp_path / "property").write_text(text)
        with pytest.raises(DataError, match="expected `classes,height,width`"):
            read_index(reader)
    (tmp_path / "property").unlink()
    assert read_index(reader).classes == 3


def test_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images, so no training set"):
        TrainingSetWriter(tmp_path / "new").close()
    assert list((tmp_path / "new").iterdir()) == []
    reader = write_records(tmp_path / "train.rec", [(0, [1.0, 1.0], b"")])
    with pytest.raises(DataError, match="holds no images"):
        read_index(reader)


def test_labels_ascend_without_a_gap(tmp_path: Path) -> None:
    with TrainingSetWriter(tmp_path) as writer:
        with pytest.raises(DataError, match="label 1 out of order: expected 0"):
            writer.add(1, b"x")
        writer.add(0, b"x")
        writer.add(1, b"x")
        for wrong in (0, 3):
            with pytest.raises(DataError, match=f"label {wrong} out of order"):
                writer.add(wrong, b"x")
    assert read_index(RecordReader(tmp_path / "train.rec")).classes == 2


def test_labels_at_the_edge_of_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_prep.training_set.EXACT_LABELS", 8)
    with TrainingSetWriter(tmp_path) as writer:
        for label in (0, 1, 2):
            writer.add(label, b"x")
        with pytest.raises(DataError, match=r"over 2\^24 records"):
            writer.add(3, b"x")  # record 0 would say [5, 9]
        writer.add(2, b"x")
        with pytest.raises(DataError, match=r"over 2\^24 records"):
            writer.add(2, b"x")
    reader = RecordReader(tmp_path / "train.rec")
    assert np.array_equal(reader[0].label, [5, 8])
    assert (read_index(reader).classes, len(read_index(reader).keys)) == (3, 4)


def test_interruption_keeps_the_former_set(tmp_path: Path) -> None:
    small_set(tmp_path)
    with contextlib.suppress(KeyboardInterrupt), TrainingSetWriter(tmp_path) as writer:
        writer.add(0, b"other")
        raise KeyboardInterrupt
    assert read_index(RecordReader(tmp_path / "train.rec")).classes == 3
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["property", "train.idx", "train.rec"]


@pytest.mark.parametrize("at", [1, 2])
def test_no_moment_of_replacing_shows_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    small_set(tmp_path)
    calls = 0
    real = os.replace

    def dies(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError("power cut")
        real(source, target)

    monkeypatch.setattr(os, "replace", dies)
    writer = TrainingSetWriter(tmp_path)
    for label in range(5):
        writer.add(label, b"new")
    with pytest.raises(OSError, match="power cut"):
        writer.close()
    with pytest.raises(DataError, match=r"train.idx: no such file"):
        RecordReader(tmp_path / "train.rec")


def test_real_set_of_mxnet(real_data: Path) -> None:
    index = read_index(RecordReader(real_data / "cfp_train" / "train.rec"))
    assert (index.classes, len(index.keys)) == (324, 4536)
    assert np.bincount(index.labels).tolist() == [14] * 324
