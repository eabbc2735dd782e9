"""`data pack`: folders, lists and im2rec's .lst become a set; what was changed is said."""

from __future__ import annotations

import pytest
from command_line import arcface_plus
from image_files import class_names, contents, face, tree


@pytest.fixture
def crops(tmp_path):
    return tree(tmp_path / "crops", {f"person {k // 3}/{k}.jpg": face(k) for k in range(6)})


def test_folders(crops, tmp_path, capsys):
    (crops / "person 0/0.jpg").write_bytes(face(0, 90))
    (crops / "person 0/notes.txt").touch()
    packed = arcface_plus(capsys, "data", "pack", crops, tmp_path / "set", "--quality", 80)
    assert packed.status == 0
    assert "6 images of 2 classes" in packed.out
    assert "not 112x112 JPEG, so encoded at quality 80: 1" in packed.out
    assert "run `data align` first" in packed.out
    assert "left out: 1 files whose names are not those of images" in packed.out


def test_a_list_of_im2rec_whose_paths_start_elsewhere(crops, tmp_path, capsys):
    (tmp_path / "lists").mkdir()
    lst = tmp_path / "lists/train.lst"
    lst.write_text("0\t1.000000\tperson 1/4.jpg\n1\t0.000000\tperson 0/2.jpg\n")
    packed = arcface_plus(capsys, "data", "pack", lst, tmp_path / "set", "--root", crops)
    assert "2 images of 2 classes" in packed.out
    assert contents(tmp_path / "set") == [(0, face(2)), (1, face(4))]
    failed = arcface_plus(capsys, "data", "pack", lst, tmp_path / "other")
    failed.assert_one_line("train.lst: line 2: ", "person 0/2.jpg: No such file")


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".tiff", ".avif"])
def test_more_formats(suffix, tmp_path, capsys):
    source = tree(tmp_path / "src", {f"a/1{suffix}": face(1, suffix=suffix)})
    packed = arcface_plus(capsys, "data", "pack", source, tmp_path / "set")
    assert "1 images of 1 classes" in packed.out
    assert "encoded at quality 95: 1" in packed.out
    assert "resized" not in packed.out


def test_folders_that_are_not_utf8(tmp_path, capsys):
    name = b"an\xe9".decode("utf-8", "surrogateescape")
    source = tree(tmp_path / "src", {f"{name}/1.jpg": face(1)})
    assert arcface_plus(capsys, "data", "pack", source, tmp_path / "set").status == 0
    assert class_names(tmp_path / "set") == {"0": name}


def test_mistakes(crops, tmp_path, capsys):
    nothing = arcface_plus(capsys, "data", "pack", tmp_path / "none", tmp_path / "out")
    nothing.assert_one_line("none: no such folder or list file")
    assert arcface_plus(capsys, "data", "pack", crops, tmp_path, "--quality", 101).status == 2
