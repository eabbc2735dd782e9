"""`data inspect`: text, contact sheet and histogram."""

from __future__ import annotations

import pytest
from command_line import arcface_plus
from image_files import face, tree

from data_prep.images import read_rgb
from data_prep.pairs import write_pairs


def test_text_and_pictures(tmp_path, capsys):
    source = tree(tmp_path / "src", {f"{k % 2}/{k}.jpg": face(k) for k in range(6)})
    inspected = arcface_plus(
        capsys, "data", "inspect", source, "--sheet", tmp_path / "s.png", "--rows", 1,
        "--histogram", tmp_path / "h.png",
    )  # fmt: skip
    assert inspected.status == 0
    assert "2; images in each: 3 to 3" in inspected.out
    assert inspected.out.endswith(f"contact sheet: {tmp_path}/s.png\n")
    assert read_rgb(tmp_path / "s.png").shape[0] < read_rgb(tmp_path / "h.png").shape[0]


@pytest.mark.parametrize(("truth", "kind"), [(True, "same"), (False, "different")])
def test_pairs_of_one_kind(truth, kind, tmp_path, capsys):
    write_pairs(tmp_path / "a.bin", [face(k) for k in range(40)], [truth] * 20)
    shown = arcface_plus(capsys, "data", "inspect", tmp_path / "a.bin").out
    assert f"all are {kind}: accuracy on them means nothing" in shown
    write_pairs(tmp_path / "b.bin", [face(k) for k in range(40)], [True] + [False] * 19)
    assert "means nothing" not in arcface_plus(capsys, "data", "inspect", tmp_path / "b.bin").out


def test_mistakes(tmp_path, capsys):
    arcface_plus(capsys, "data", "inspect", tmp_path / "none.rec").assert_one_line("none.rec")
    wrong = arcface_plus(capsys, "data", "inspect", tmp_path, "--sheet", tmp_path / "x.gif")
    wrong.assert_one_line("x.gif: a picture's name must end in .png or .jpg")
