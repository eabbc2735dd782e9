"""`data align`: what became of the photos, and what is missing to begin."""

from __future__ import annotations

import pytest
from command_line import arcface_plus
from image_files import face, tree

from data_prep.align.face_crop import TEMPLATE

NUMBERS = " ".join(f"{number:.2f}" for number in (TEMPLATE * 2).ravel())


@pytest.fixture
def photos(tmp_path):
    files = {f"anna/{k}.jpg": face(k, 230) for k in range(3)}
    return tree(tmp_path / "photos", files | {"anna/cut.jpg": face(9, 230)[:900]})


def test_photos_that_a_list_lacks_are_not_called_faceless(photos, tmp_path, capsys):
    landmarks = tmp_path / "list.txt"
    landmarks.write_text(f"anna/0.jpg {NUMBERS}\nanna/cut.jpg {NUMBERS}\n")
    words = ("data", "align", photos, tmp_path / "crops", "--landmarks", landmarks)
    done = arcface_plus(capsys, *words)
    assert done.status == 0
    assert "1 crops of 4 photos" in done.out
    assert "one face 1 · several 0 (central-and-large taken) · none 0 · unreadable 1" in done.out
    assert "2 photos are not in the landmark list" in done.out
    assert "anna/1.jpg: not in the landmark list\n" in done.out
    assert "anna/cut.jpg: truncated or corrupt JPEG" in done.out
    assert "no face" not in done.out
    again = arcface_plus(capsys, *words, "--fallback", "center")
    assert "3 crops of 4 photos" in again.out
    assert "(1 already there)" in again.out
    assert "anna/1.jpg: not in the landmark list, centre crop" in again.out


def test_a_name_that_is_a_formula_in_the_report(tmp_path, capsys):
    photos = tree(tmp_path / "photos", {"=1+1/x.jpg": face(0, 230)})
    (tmp_path / "list.txt").write_text(f"=1+1/x.jpg {NUMBERS}\n")
    words = ("data", "align", photos, tmp_path / "crops", "--landmarks", tmp_path / "list.txt")
    assert "1 crops of 1 photos" in arcface_plus(capsys, *words).out
    report = (tmp_path / "crops/align-report.csv").read_text()
    assert report.splitlines()[1].startswith("'=1+1/x.jpg,found")
    assert "(1 already there)" in arcface_plus(capsys, *words).out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no source of landmarks: give --model face_detection_yunet_2023mar.onnx"),
        (("--detector", "yunet"), "--detector needs the face detector's file: give --model"),
        (("--min-score", 0.5), "--min-score needs the face detector's file: give --model"),
        (("--landmarks", "x", "--model", "y"), "give either --landmarks or a detector (--detector"),
        (("--landmarks", "x", "--min-score", 0.5), "--min-score), not both"),
        (("--model", "none.onnx"), "none.onnx: no such detector model"),
        (("--landmarks", "none.txt"), "none.txt: No such file"),
    ],
)
def test_where_landmarks_come_from(options, said, photos, tmp_path, capsys):
    words = ("data", "align", photos, tmp_path / "crops", *options)
    arcface_plus(capsys, *words).assert_one_line(said)
    assert not (tmp_path / "crops").exists()


def test_real_photos(real_data, tmp_path, capsys):
    model = real_data / "models/face_detection_yunet.onnx"
    words = ("data", "align", real_data / "photos", tmp_path / "crops", "--model", model)
    done = arcface_plus(capsys, *words)
    assert "60 crops of 60 photos" in done.out
    assert "none 0 · unreadable 0 · other files 0" in done.out
    assert "landmark list" not in done.out
