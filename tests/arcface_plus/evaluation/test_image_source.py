"""What `embed` takes: sets of every kind, lists and single images, with labels where there are."""

from __future__ import annotations

import json

import pytest

from arcface_plus.evaluation.image_source import open_source
from data_prep.errors import DataError
from data_prep.pairs import write_pairs
from data_prep.recordio import RecordWriter


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_a_folder_has_labels_and_loose_images_have_none(tmp_path):
    source = open_source(tree(tmp_path / "people", "anna/1.jpg", "bob/1.jpg", "bob/2.jpg"))
    assert list(source) == [b"anna/1.jpg", b"bob/1.jpg", b"bob/2.jpg"]
    assert source.names == ["anna/1.jpg", "bob/1.jpg", "bob/2.jpg"]
    assert source.labels.tolist() == [0, 1, 1]
    assert source.class_names == {0: "anna", 1: "bob"}
    assert source.name(1) == f"{tmp_path}/people: bob/1.jpg"
    loose = open_source(tree(tmp_path / "loose", "x.jpg", "y.jpg"))
    assert (loose.names, loose.labels, loose.same) == (["x.jpg", "y.jpg"], None, None)


def test_a_pair_file_has_truth(tmp_path):
    write_pairs(tmp_path / "a.bin", [b"a", b"b", b"c", b"d"], [True, False])
    source = open_source(tmp_path / "a.bin")
    assert (source.labels, source.same.tolist()) == (None, [True, False])
    assert source.names[3] == "pair 1, image 1"


def test_a_record_file_and_shards(tmp_path, write_tar):
    with RecordWriter(tmp_path / "x.rec") as writer:
        for key in range(4):
            writer.write(key, b"%d" % key, [float(key // 2), 1.0])
    members = {}
    for k in range(4):
        members |= {f"{k}.jpg": b"%d" % k, f"{k}.cls": b"%d" % (k // 2)}
    write_tar(tmp_path / "x.tar", members)
    (tmp_path / "labels.json").write_text(json.dumps({"0": "anna", "1": "bob"}))
    for name, first in (("x.rec", "record 0"), ("x.tar", "x.tar/0.jpg")):
        source = open_source(tmp_path / name)
        assert list(source) == [b"0", b"1", b"2", b"3"]
        assert source.names[0] == first
        assert source.labels.tolist() == [0, 0, 1, 1]
        assert source.class_names == {0: "anna", 1: "bob"}


def test_labels_that_are_no_classes_are_left_out(tmp_path, write_tar):
    with RecordWriter(tmp_path / "x.rec") as writer:
        writer.write(0, b"0", 0.5)
    write_tar(tmp_path / "x.tar", {"0.jpg": b"0"})
    for name in ("x.rec", "x.tar"):
        source = open_source(tmp_path / name)
        assert (list(source), source.labels) == ([b"0"], None)


def test_one_image_and_lists(tmp_path):
    tree(tmp_path, "a.jpg", "my photo, old.jpg")
    assert list(open_source(tmp_path / "a.jpg")) == [b"a.jpg"]
    (tmp_path / "list.txt").write_text("a.jpg,anna\na.jpg\tbob\na.jpg,anna\n")
    source = open_source(tmp_path / "list.txt")
    assert list(source) == [b"a.jpg"] * 3
    assert source.labels.tolist() == [0, 1, 0]
    assert source.class_names == {0: "anna", 1: "bob"}
    (tmp_path / "list.txt").write_text("my photo, old.jpg\n")
    source = open_source(tmp_path / "list.txt")
    assert (list(source), source.labels) == ([b"my photo, old.jpg"], None)


def test_a_part_keeps_names_and_reads_its_own(tmp_path):
    part = open_source(tree(tmp_path, *(f"a/{k}.jpg" for k in range(5)))).part(2, 4)
    assert (part.names, list(part)) == (["a/2.jpg", "a/3.jpg"], [b"a/2.jpg", b"a/3.jpg"])
    assert len(part) == 2


def test_mistakes(tmp_path):
    with pytest.raises(DataError, match="gone: no such folder, list, image or image set"):
        open_source(tmp_path / "gone")
    (tmp_path / "list.txt").write_text("a.jpg 1\nb.jpg\n")
    with pytest.raises(DataError, match="line 2: labels must stand in all lines or in none"):
        open_source(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("")
    with pytest.raises(DataError, match="no images in it"):
        open_source(tmp_path / "list.txt")
