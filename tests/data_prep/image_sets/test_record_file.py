"""A .rec as an image set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep.class_names import write_class_names
from data_prep.errors import DataError
from data_prep.image_sets import open_image_set
from data_prep.image_sets.base import excerpt
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.training_set import TrainingSetWriter

MAGIC = b"\x0a\x23\xd7\xce"  # on a four-byte boundary it splits a record


def make_set(folder: Path, images: list[bytes]) -> Path:
    with TrainingSetWriter(folder) as writer:
        for k, image in enumerate(images):
            writer.add(k // 2, image)
    return folder


IMAGES = [bytes([k]) * (50 + k) for k in range(5)]


def test_all_names_of_a_set_open_it(tmp_path: Path) -> None:
    make_set(tmp_path, IMAGES)
    write_class_names(tmp_path, ["anna", "bob", "Öl"])
    for path in (tmp_path, tmp_path / "train.rec", tmp_path / "train.idx"):
        found = open_image_set(path)
        assert (found.kind, found.path, found.note) == ("record file", tmp_path / "train.rec", "")
        assert [found.read(i) for i in range(len(found))] == IMAGES
        assert found.labels.tolist() == [0, 0, 1, 1, 2]
        assert (found.classes, found.promised_classes, found.size) == (3, 3, (112, 112))
        assert found.class_names == {0: "anna", 1: "bob", 2: "Öl"}
        assert (found.folder, found.stem) == (tmp_path, "train")
        assert found.bytes_on_disk == (tmp_path / "train.rec").stat().st_size
        found.require_classes()
    offset = RecordReader(tmp_path / "train.rec").offset(3)
    assert (found.name(2), found.number(2)) == ("record 3", 3)
    assert found.place(2) == f"{tmp_path}/train.rec: record 3 at byte {offset}"


def test_labels_as_they_are_stored(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "train.rec") as writer:
        writer.write(4, b"a", 0.5)
        writer.write(7, b"b", [3.0, 9.0])
    found = open_image_set(tmp_path)
    assert [found.read_with_label(i) for i in (0, 1)] == [(b"a", 0.5), (b"b", 3.0)]
    assert (found.promised_classes, found.size) == (None, (112, 112))
    with pytest.raises(DataError, match=r"record 4 has label 0\.5, not a class index"):
        _ = found.labels


def test_a_wrong_record_0_is_noted_and_trained_on_never(tmp_path: Path) -> None:
    make_set(tmp_path, IMAGES)
    index = tmp_path / "train.idx"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[:2] + lines[3:]))
    found = open_image_set(tmp_path)
    assert "lacks record 2" in found.note
    assert [found.read(i) for i in range(len(found))] == [IMAGES[0], *IMAGES[2:]]
    with pytest.raises(DataError, match=r"lacks record 2.*`data check` says what is left"):
        found.require_classes()


def test_excerpts_are_those_of_the_images(tmp_path: Path) -> None:
    """Read from heads, or the careful way where an image is tiny or its record is in parts."""
    rng = np.random.default_rng(0)
    images = [rng.bytes(n) for n in (1, 2, 3, 4, 63, 64, 65, 127, 128, 129, 5000)]
    images += [b"", b"abcd" + MAGIC + rng.bytes(300), MAGIC * 3]
    make_set(tmp_path, images)
    lengths, excerpts = open_image_set(tmp_path).excerpts()
    assert lengths.tolist() == [len(image) for image in images]
    assert excerpts == b"".join(map(excerpt, images))


def test_a_record_that_is_not_whole_has_no_digest(tmp_path: Path) -> None:
    make_set(tmp_path, [bytes(2000)] * 3)
    reader = RecordReader(tmp_path / "train.rec")
    (tmp_path / "train.rec").write_bytes((tmp_path / "train.rec").read_bytes()[:-200])
    found = open_image_set(tmp_path)
    assert len(found) == 3
    (tmp_path / "train.rec").write_bytes(
        (tmp_path / "train.rec").read_bytes()[: reader.offset(3) + 100]
    )
    with pytest.raises(DataError, match=r"record 3 at byte \d+ is broken"):
        open_image_set(tmp_path).digest()
