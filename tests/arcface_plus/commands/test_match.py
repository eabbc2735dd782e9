"""`match`: the protocol, the verdict and its picture, and that no threshold is made up."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import arcface_plus
from single_images import MadeUpDetector, by_hand, photo_of, pixels
from verifications import verification

from arcface_plus.commands import detector_options
from arcface_plus.commands.match import match
from data_prep.errors import DataError, UserError
from eval.verification import pair_distances


@pytest.fixture
def verified(tmp_path):
    path = tmp_path / "v.json"
    path.write_text(json.dumps(verification()))
    return path


def test_match_is_the_protocol_done_by_hand(run, crops, verified, tmp_path, capsys):
    a, b = crops / "people/anna/0.jpg", crops / "people/bob/2.jpg"
    match(a, b, run, verification=verified, json_file=tmp_path / "m.json")
    found = json.loads((tmp_path / "m.json").read_text())
    one, other = by_hand(run, pixels(a, b))
    assert found["cosine"] == pytest.approx(one @ other, abs=1e-5)
    assert found["distance"] == pytest.approx(pair_distances(one[None], other[None])[0], abs=1e-5)
    assert found["same_person"] == (found["distance"] < 1.2)
    assert found["rule"]["far"] == "1e-2"
    assert (
        f"similarity {found['cosine']:.3f}, threshold 0.400 (FAR 1e-2 on lfw)."
        in capsys.readouterr().out
    )


def test_match_follows_the_flip_of_its_verification(run, crops, verified, tmp_path):
    verified.write_text(json.dumps(verification() | {"flip": False}))
    a, b = crops / "people/anna/0.jpg", crops / "people/bob/2.jpg"
    match(a, b, run, verification=verified, json_file=tmp_path / "m.json")
    one, other = by_hand(run, pixels(a, b), flip=False)
    found = json.loads((tmp_path / "m.json").read_text())
    assert (found["flip"], found["cosine"]) == (False, pytest.approx(one @ other, abs=1e-5))


def test_without_a_verification_there_is_no_verdict(run, crops, capsys):
    a, b = crops / "people/anna/0.jpg", crops / "people/bob/2.jpg"
    match(a, b, run)
    assert "but no threshold is known for this model." in capsys.readouterr().out
    with pytest.raises(UserError, match="no verification of this model is known"):
        match(a, b, run, far="1e-3")


def test_json_to_stdout_is_alone_there(run, crops, capsys):
    image = crops / "people/anna/0.jpg"
    match(image, image, run, json_file=Path("-"))
    captured = capsys.readouterr()
    assert json.loads(captured.out)["cosine"] == pytest.approx(1)
    assert "No verdict: similarity 1.000" in captured.err


def test_the_runs_own_verification_is_not_called_another_models(run, crops, capsys):
    """A run's file says "step_00000007" and may be given by name; both warned of another model."""
    folder = run / "eval"
    folder.mkdir()
    own, image = folder / "step_00000007.json", crops / "people/anna/0.jpg"
    try:
        own.write_text(json.dumps(verification() | {"checkpoint": "step_00000007"}))
        for options in ({}, {"verification": own}):
            for ckpt in (run, run / "checkpoints" / "step_00000007"):
                match(image, image, ckpt, **options)
                assert capsys.readouterr().err == ""
    finally:
        own.unlink()
        folder.rmdir()


def test_another_models_verification_is(run, crops, verified, capsys):
    verified.write_text(json.dumps(verification() | {"checkpoint": "other/model.safetensors"}))
    match(crops / "people/anna/0.jpg", crops / "people/anna/1.jpg", run, verification=verified)
    said = " ".join(capsys.readouterr().err.split())
    assert "verified other/model.safetensors; its thresholds are right for that model only" in said


def test_outputs_are_checked_before_the_model_is_read(run, crops, tmp_path, monkeypatch):
    gone, image = tmp_path / "gone.onnx", crops / "people/anna/0.jpg"
    (tmp_path / "m.png").mkdir()
    with pytest.raises(UserError, match=r"m\.png: is a directory"):
        match(image, image, gone, json_file=tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png: is a directory"):
        match(image, image, gone, png=tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.jpg: --png writes a \.png file"):
        match(image, image, gone, png=tmp_path / "m.jpg")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="no permission to write in"):
        match(image, image, gone, json_file=tmp_path / "m.json")


def test_the_picture_shows_both_crops(run, crops, verified, tmp_path, capsys):
    a, b = crops / "people/anna/0.jpg", crops / "people/bob/2.jpg"
    done = arcface_plus(capsys, "match", a, b, "-c", run, "-v", verified, "--png",
                        tmp_path / "m.png")  # fmt: skip
    assert (done.status, done.err) == (0, f"wrote {tmp_path / 'm.png'}\n")
    assert done.out.splitlines()[0].startswith(("Same person: ", "Different people: "))
    drawn = cv2.imread(str(tmp_path / "m.png"))
    middle = drawn.shape[1] // 2
    for half, path in ((drawn[:, :middle], a), (drawn[:, middle:], b)):
        face = cv2.imread(str(path))
        best = max(
            cv2.matchTemplate(half, cv2.resize(face, (side, side)), cv2.TM_CCOEFF_NORMED).max()
            for side in range(390, 416, 2)
        )
        assert best > 0.95


def test_photos_need_a_detector(run, crops, tmp_path, capsys):
    photo = tmp_path / "photo.jpg"
    cv2.imwrite(str(photo), np.zeros((250, 250, 3), np.uint8))
    words = ("match", crops / "people/anna/0.jpg", photo, "-c", run)
    arcface_plus(capsys, *words).assert_one_line(
        "photo.jpg is 250×250", "for photos give the face detector's --model FILE"
    )
    arcface_plus(capsys, *words, "--detector", "yunet").assert_one_line(
        "--detector needs the face detector's file: give --model"
    )
    arcface_plus(capsys, *words, "--model", tmp_path / "gone.onnx").assert_one_line(
        "gone.onnx: no such detector model"
    )


def test_faces_of_photos(run, crops, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(detector_options, "yunet", MadeUpDetector)
    anna, bob = crops / "people/anna/0.jpg", crops / "people/bob/2.jpg"
    both, empty = tmp_path / "both.png", tmp_path / "empty.png"
    cv2.imwrite(str(both), np.hstack([photo_of(anna), photo_of(bob)]))
    cv2.imwrite(str(empty), np.zeros((250, 250, 3), np.uint8))
    alone = tmp_path / "alone.png"
    cv2.imwrite(str(alone), photo_of(anna))
    words = ("match", alone, both, "-c", run, "--model", "m.onnx", "-j", tmp_path / "m.json")
    done = arcface_plus(capsys, *words, "--pick", "best")
    assert "both.png: 2 faces, best taken\n" in done.err
    assert json.loads((tmp_path / "m.json").read_text())["cosine"] == pytest.approx(1, abs=1e-5)
    words = ("match", alone, empty, "-c", run, "--model", "m.onnx")
    arcface_plus(capsys, *words).assert_one_line(
        "empty.png: no face found; take another photo, a lower --min-score, or --fallback center"
    )
    done = arcface_plus(capsys, *words, "--fallback", "center")
    assert done.status == 0
    assert "empty.png: no face found, cropped at its centre" in done.err


def test_real_photos(run, real_data, tmp_path):
    photos = sorted((real_data / "photos").rglob("*.jpg"))[:2]
    model = real_data / "models" / "face_detection_yunet.onnx"
    match(*photos, run, model=model, json_file=tmp_path / "m.json")
    assert -1 <= json.loads((tmp_path / "m.json").read_text())["cosine"] <= 1
    empty = tmp_path / "empty.jpg"
    cv2.imwrite(str(empty), np.zeros((250, 250, 3), np.uint8))
    with pytest.raises(DataError, match=r"empty\.jpg: no face found"):
        match(photos[0], empty, run, model=model)
