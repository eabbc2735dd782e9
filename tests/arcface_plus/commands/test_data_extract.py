"""`data extract`: image files, and how to make the same set of them again."""

from __future__ import annotations

from command_line import arcface_plus
from image_files import contents, face, tree

from data_prep.class_names import write_class_names
from data_prep.pairs import write_pairs


def test_a_set_and_its_odd_class(tmp_path, capsys):
    source = tree(tmp_path / "src", {f"{name}/1.jpg": face(k) for k, name in enumerate("abc")})
    arcface_plus(capsys, "data", "pack", source, tmp_path / "set")
    extracted = arcface_plus(capsys, "data", "extract", tmp_path / "set", tmp_path / "plain")
    assert extracted.status == 0
    assert "plain: 3 image files of 3 classes" in extracted.out
    assert "another order" not in extracted.out
    write_class_names(tmp_path / "set", ["a", "b/b", "c"])
    extracted = arcface_plus(capsys, "data", "extract", tmp_path / "set", tmp_path / "odd")
    assert f"run `data pack {tmp_path}/odd/images.tsv OUT`" in extracted.out
    assert (tmp_path / "odd/000001/000002.jpg").read_bytes() == face(1)
    assert (tmp_path / "odd/c/000003.jpg").read_bytes() == face(2)
    arcface_plus(capsys, "data", "pack", tmp_path / "odd/images.tsv", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "set")


def test_pairs_and_mistakes(tmp_path, capsys):
    write_pairs(tmp_path / "a.bin", [face(0), face(1)], [True])
    extracted = arcface_plus(capsys, "data", "extract", tmp_path / "a.bin", tmp_path / "out")
    assert "2 image files of 1 pairs" in extracted.out
    again = arcface_plus(capsys, "data", "extract", tmp_path / "a.bin", tmp_path / "out")
    again.assert_one_line("is there already and not empty")
    folder = arcface_plus(capsys, "data", "extract", tmp_path / "out", tmp_path / "other")
    folder.assert_one_line("is a folder of images already")
