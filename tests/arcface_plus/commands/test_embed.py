"""`embed` and `match`: what is written, what is said, and that no threshold is made up."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from verifications import verification

from arcface_plus.commands.embed import Detector, embed, match
from arcface_plus.embedder.load import load_embedder
from arcface_plus.evaluation.image_source import open_source
from arcface_plus.models.backbones import MobileFaceNet
from arcface_plus.run_directory.model_file import ModelCard, write_model
from data_prep.errors import DataError, UserError
from data_prep.pairs import read_pairs
from eval.verification import pair_distances


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory as far as these commands look at it: model, step 7."""
    torch.manual_seed(0)
    network = MobileFaceNet(embedding_dim=16, width=0.125).eval()
    card = ModelCard("mobilefacenet", {"width": 0.125}, embedding_dim=16, step=7)
    run = tmp_path_factory.mktemp("runs") / "run"
    folder = run / "checkpoints" / "step_00000007"
    folder.mkdir(parents=True)
    write_model(folder / "model.safetensors", network.state_dict(), card)
    return run


@pytest.fixture(scope="module")
def crops(synthetic, tmp_path_factory):
    """Six different crops: people/anna/0.jpg, 1.jpg, people/bob/2.jpg …"""
    root = tmp_path_factory.mktemp("crops")
    images = list(dict.fromkeys(read_pairs(synthetic / "synth_frontal.bin")[0]))[:6]
    for number, image in enumerate(images):
        file = root / "people" / ("anna", "anna", "bob", "bob", "bob", "cy")[number]
        file.mkdir(parents=True, exist_ok=True)
        (file / f"{number}.jpg").write_bytes(image)
    (root / "list.txt").write_text(
        "path,who\npeople/bob/2.jpg,bob\npeople/anna/0.jpg,anna\npeople/bob/3.jpg,bob\n"
    )
    (root / "plain.txt").write_text("people/bob/2.jpg\n\npeople/anna/0.jpg\n")
    return root


def pixels(*paths):
    return np.stack([cv2.cvtColor(cv2.imread(str(p)), cv2.COLOR_BGR2RGB) for p in paths])


def by_hand(run, images, flip=True):
    embedder = load_embedder(run)
    summed = embedder(images).astype(np.float64)
    if flip:
        summed += embedder(images[:, :, ::-1])
    return summed / np.linalg.norm(summed, axis=1, keepdims=True)


@pytest.mark.parametrize("flip", [True, False])
def test_a_folder(run, crops, tmp_path, flip):
    embed(crops / "people", run, tmp_path / "e.npz", flip=flip)
    found = np.load(tmp_path / "e.npz")
    names = ["anna/0.jpg", "anna/1.jpg", "bob/2.jpg", "bob/3.jpg", "bob/4.jpg", "cy/5.jpg"]
    assert found["paths"].tolist() == names
    assert found["labels"].tolist() == [0, 0, 1, 1, 1, 2]
    assert found["class_names"].tolist() == ["anna", "bob", "cy"]
    assert (bool(found["flip"]), str(found["checkpoint"])) == (flip, str(run))
    images = pixels(*(crops / "people" / name for name in names))
    assert found["embeddings"].dtype == np.float32
    assert found["embeddings"] == pytest.approx(by_hand(run, images, flip), abs=1e-5)
    lengths = np.linalg.norm(load_embedder(run)(images), axis=1)
    assert found["norms"] == pytest.approx(lengths, rel=1e-4)


def test_a_list_keeps_its_order(run, crops, tmp_path):
    embed(crops / "list.txt", run, tmp_path / "e.npz")
    embed(crops / "people", run, tmp_path / "all.npz")
    found, everything = np.load(tmp_path / "e.npz"), np.load(tmp_path / "all.npz")
    assert found["paths"].tolist() == ["people/bob/2.jpg", "people/anna/0.jpg", "people/bob/3.jpg"]
    assert found["labels"].tolist() == [0, 1, 0]
    assert found["class_names"].tolist() == ["bob", "anna"]
    assert np.array_equal(found["embeddings"], everything["embeddings"][[2, 0, 3]])
    embed(crops / "plain.txt", run, tmp_path / "p.npz")
    assert "labels" not in np.load(tmp_path / "p.npz")


def test_pair_and_record_files(run, synthetic, tmp_path):
    embed(synthetic / "synth_age.bin", run, tmp_path / "b.npz")
    found = np.load(tmp_path / "b.npz")
    images, same = read_pairs(synthetic / "synth_age.bin")
    assert found["embeddings"].shape == (len(images), 16)
    assert np.array_equal(found["same"], same)
    assert found["paths"][3] == "pair 1, image 1"
    embed(synthetic, run, tmp_path / "r.npz")
    found = np.load(tmp_path / "r.npz")
    assert found["labels"].tolist() == sorted(np.repeat(range(6), 8).tolist())


def test_what_cannot_be_embedded_is_named(run, crops, tmp_path):
    out = tmp_path / "e.npz"
    with pytest.raises(UserError, match=r"e\.txt: --out is an \.npz file"):
        embed(crops, run, tmp_path / "e.txt")
    with pytest.raises(UserError, match="its directory does not exist"):
        embed(crops, run, tmp_path / "no" / "e.npz")
    with pytest.raises(DataError, match="gone: no such folder, list"):
        embed(tmp_path / "gone", run, out)
    (tmp_path / "list.txt").write_text("gone.jpg\n")
    with pytest.raises(DataError, match=r"gone\.jpg: No such file"):
        embed(tmp_path / "list.txt", run, out)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad: x\.jpg cannot be decoded"):
        embed(tmp_path / "bad", run, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no images in it"),
        ("a.jpg 1\nb.jpg\n", "line 2: labels must stand in all lines or in none"),
        ("a.jpg\nb.jpg,1\n", "line 2: labels must stand in all lines or in none"),
        ("a.jpg,1,2\n", "line 1: wanted: a path"),
        ("a.jpg 1\n\0\n", "line 2 is no text"),
    ],
)
def test_broken_lists(tmp_path, text, words):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        open_source(tmp_path / "list.txt")


def test_paths_in_lists_may_hold_blanks_and_commas(tmp_path):
    (tmp_path / "list.txt").write_text("my photo, old.jpg\nb.jpg\n")
    assert open_source(tmp_path / "list.txt").names == ["my photo, old.jpg", "b.jpg"]
    (tmp_path / "list.txt").write_text("my photo.jpg 17\nb.jpg 3\n")
    source = open_source(tmp_path / "list.txt")
    assert (source.names, source.labels.tolist()) == (["my photo.jpg", "b.jpg"], [17, 3])


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
    assert f"cosine similarity {found['cosine']:.4f}" in capsys.readouterr().out


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
    assert "no verdict: no threshold is known for this model" in capsys.readouterr().out
    with pytest.raises(UserError, match="no verification of this model is known"):
        match(a, b, run, far="1e-3")


def test_photos_need_a_detector(run, crops, tmp_path):
    photo = tmp_path / "photo.jpg"
    cv2.imwrite(str(photo), np.zeros((250, 250, 3), np.uint8))
    crop = crops / "people/anna/0.jpg"
    with pytest.raises(DataError, match=r"photo\.jpg is 250×250.*give --detector yunet --model"):
        match(crop, photo, run)
    with pytest.raises(UserError, match="belong together"):
        match(crop, photo, run, detector=Detector.yunet)
    with pytest.raises(DataError, match="no such detector model"):
        match(crop, photo, run, detector=Detector.yunet, model=tmp_path / "gone.onnx")


def test_real_photos(run, real_data, tmp_path, capsys):
    photos = sorted((real_data / "photos").rglob("*.jpg"))[:2]
    model = real_data / "models" / "face_detection_yunet.onnx"
    match(*photos, run, detector=Detector.yunet, model=model, json_file=tmp_path / "m.json")
    assert -1 <= json.loads((tmp_path / "m.json").read_text())["cosine"] <= 1
    empty = tmp_path / "empty.jpg"
    cv2.imwrite(str(empty), np.zeros((250, 250, 3), np.uint8))
    with pytest.raises(DataError, match=r"empty\.jpg: no face found"):
        match(photos[0], empty, run, detector=Detector.yunet, model=model)


def test_many_chunks_are_one(run, synthetic, tmp_path, monkeypatch):
    from arcface_plus.evaluation import embedding_file

    embed(synthetic / "synth_age.bin", run, tmp_path / "one.npz")
    monkeypatch.setattr(embedding_file, "_CHUNK", 64)
    embed(synthetic / "synth_age.bin", run, tmp_path / "two.npz")
    one, two = np.load(tmp_path / "one.npz"), np.load(tmp_path / "two.npz")
    assert np.array_equal(one["embeddings"], two["embeddings"])


def test_outputs_are_checked_before_the_model_is_read(run, crops, tmp_path, monkeypatch):
    """Minutes of embedding were lost to a folder in the file's place or a missing permission."""
    gone = tmp_path / "gone.onnx"
    (tmp_path / "e.npz").mkdir()
    with pytest.raises(UserError, match=r"e\.npz: is a directory"):
        embed(crops / "people", gone, tmp_path / "e.npz")
    image = crops / "people/anna/0.jpg"
    with pytest.raises(UserError, match=r"e\.npz: is a directory"):
        match(image, image, gone, json_file=tmp_path / "e.npz")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="no permission to write in"):
        embed(crops / "people", gone, tmp_path / "f.npz")
    with pytest.raises(UserError, match="no permission to write in"):
        match(image, image, gone, json_file=tmp_path / "m.json")


def test_embeddings_to_a_pipe_and_through_a_link(run, crops, tmp_path):
    embed(crops / "people", run, tmp_path / "e.npz")
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    embed(crops / "people", run, tmp_path / "pipe")
    reader.join(timeout=60)
    piped = np.load(io.BytesIO(read[0]))
    assert np.array_equal(piped["embeddings"], np.load(tmp_path / "e.npz")["embeddings"])
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link.npz").symlink_to("real.npz")
    embed(crops / "people", run, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "real.npz").read_bytes() == (tmp_path / "e.npz").read_bytes()


def test_json_to_stdout_is_alone_there(run, crops, capsys):
    image = crops / "people/anna/0.jpg"
    match(image, image, run, json_file=Path("-"))
    captured = capsys.readouterr()
    assert json.loads(captured.out)["cosine"] == pytest.approx(1)
    assert "cosine similarity 1.0000" in captured.err


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


def test_large_labels_of_a_list_keep_their_values(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg 4294967296\nb.jpg 9007199254740993\nc.jpg 3\n")
    source = open_source(tmp_path / "list.txt")
    assert source.labels.tolist() == [4294967296, 9007199254740993, 3]
