"""A .bin as an image set."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.image_sets import open_image_set
from data_prep.pairs import write_pairs


def test_pairs_have_truth_and_no_classes(tmp_path: Path) -> None:
    images = [bytes([k]) * 9 for k in range(6)]
    write_pairs(tmp_path / "a.bin", images, [True, False, True])
    found = open_image_set(tmp_path / "a.bin")
    assert (found.kind, len(found), found.has_classes) == ("pair file", 6, False)
    assert found.same is not None
    assert found.same.tolist() == [True, False, True]
    assert [found.read(i) for i in range(6)] == images
    assert found.name(5) == "pair 2, image 1"
    assert found.place(5) == f"{tmp_path}/a.bin: pair 2, image 1"
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.bytes_on_disk == (tmp_path / "a.bin").stat().st_size
    with pytest.raises(DataError, match="a pair file says who is the same, not who it is"):
        found.require_classes()


def test_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.bin: no such file"):
        open_image_set(tmp_path / "a.bin")


def test_stamps_change_with_the_file(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a.bin", [b"a", b"b"], [True])
    before = list(open_image_set(tmp_path / "a.bin").stamps())
    write_pairs(tmp_path / "a.bin", [b"a", b"bc"], [True])
    assert list(open_image_set(tmp_path / "a.bin").stamps()) != before
