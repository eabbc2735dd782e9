"""`embed` and `match`: what is written, what is said, and that no threshold is made up."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.commands.embed import Detector, embed, match
from arcface_plus.embedder.load import load_embedder
from arcface_plus.evaluation.image_source import open_source
from arcface_plus.evaluation.matching import (
    Match,
    Rule,
    ThresholdFile,
    explain,
    own_verification,
    rule_from,
)
from arcface_plus.models.backbones import MobileFaceNet
from arcface_plus.run_directory.checkpoint import ModelCard, write_model
from data_prep.errors import DataError, UserError
from data_prep.pairs import read_pairs
from eval.statistics import binomial_interval
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


def test_many_chunks_are_one(run, synthetic, tmp_path, monkeypatch):
    from arcface_plus.evaluation import embedding_file

    embed(synthetic / "synth_age.bin", run, tmp_path / "one.npz")
    monkeypatch.setattr(embedding_file, "_CHUNK", 64)
    embed(synthetic / "synth_age.bin", run, tmp_path / "two.npz")
    one, two = np.load(tmp_path / "one.npz"), np.load(tmp_path / "two.npz")
    assert np.array_equal(one["embeddings"], two["embeddings"])


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


def verification(**changes):
    """As `eval verify --json` writes it, for 1,000 same and 3,000 different pairs."""
    point = {"distance": 1.2, "cosine": 0.4, "far": 0.01, "tar": 0.9}
    target = {
        "pairs": 4000, "same": 1000, "accuracy": {"mean": 0.95, "thresholds": [1.3, 1.4]},
        "thresholds_at_far": {"1e-1": point | {"distance": 1.5}, "1e-2": point, "1e-3": None},
        "unavailable": {"1e-3": "needs 10000 different pairs, there are 3000"},
    }  # fmt: skip
    return {"schema": 1, "checkpoint": "", "flip": True, "targets": {"lfw": target | changes}}


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


def test_the_runs_own_verification_is_of_the_very_step(run):
    folder = run / "eval"
    folder.mkdir()
    try:
        (folder / "step_00000006.json").write_text("{}")
        assert own_verification(run) is None
        (folder / "step_00000007.json").write_text(json.dumps(verification()))
        for path in (run, run / "checkpoints" / "step_00000007"):
            assert own_verification(path) == folder / "step_00000007.json"
        assert own_verification(folder / "model.onnx") is None
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def rule(content, far=None, target=None):
    from pathlib import Path

    return rule_from(ThresholdFile.model_validate(content), Path("v.json"), target, far)


def test_the_rule_is_what_was_measured():
    found = rule(verification())
    assert found == Rule(1.2, "lfw", "1e-2", 3000, 1000, 0.95, 0.01, pytest.approx(0.1))
    assert rule(verification(), "0.1").threshold == 1.5
    with pytest.raises(UserError, match=r"no threshold for --far 1e-3 on lfw \(needs 10000 diff"):
        rule(verification(), "1e-3")
    with pytest.raises(UserError, match="known: 1e-1, 1e-2"):
        rule(verification(), "1e-5")
    with pytest.raises(UserError, match="--far lots is not a rate"):
        rule(verification(), "lots")
    with pytest.raises(UserError, match="no target 'cfp'; it has lfw"):
        rule(verification(), target="cfp")


def test_of_several_targets_the_one_with_most_different_pairs():
    content = verification()
    content["targets"]["small"] = content["targets"]["lfw"] | {"pairs": 1100}
    assert rule(content).target == "lfw"
    assert rule(content, target="small").different == 100


def test_a_file_without_thresholds_at_far_gives_its_folds():
    found = rule(verification(thresholds_at_far={}, unavailable={}))
    assert (found.threshold, found.far, found.false_accepts) == (pytest.approx(1.35), "", None)
    lines = explain(Match(0.5, 1.0, found))
    assert "the same person: distance below 1.3500 (cosine 0.3250)" in lines[1]
    assert "the threshold of best accuracy" in lines[1]
    assert "wrong in 5.00% of lfw's 4000 pairs" in lines[2]
    with pytest.raises(UserError, match="it has no thresholds at FARs at all"):
        rule(verification(thresholds_at_far={}, unavailable={}), "1e-2")


def test_error_rates_are_counted():
    """30 of 3,000 different pairs accepted, 100 of 1,000 same pairs rejected."""
    same = " ".join(explain(Match(0.5, 1.0, rule(verification()))))
    low, high = binomial_interval(30, 3000)
    assert f"of 3000 different pairs 1.00% (95% {100 * low:.2f} to {100 * high:.2f})" in same
    low, high = binomial_interval(100, 1000)
    assert f"of 1000 same pairs 10.00% (95% {100 * low:.2f} to {100 * high:.2f})" in same
    assert "of the 930 pairs called the same there 3.23%" in same
    different = " ".join(explain(Match(0.2, 1.6, rule(verification()))))
    assert "different persons: distance not below 1.2000 (cosine 0.4000)" in different
    assert "of the 3070 pairs called different there 3.26%" in different


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("{}", "schema: Field required"),
        ('{"schema": 1, "targets": {}}', "targets: "),
        ('{"schema": 1, "targets": {"a": {}}}', r"targets\.a\.pairs"),
    ],
)
def test_what_is_no_verification_is_named(tmp_path, text, words):
    path = tmp_path / "v.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        ThresholdFile.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no such file"):
        ThresholdFile.read(tmp_path / "gone.json")


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
