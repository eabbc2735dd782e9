"""`embed`: what is written, what is said, and photos through a detector."""

from __future__ import annotations

import io
import os
import threading

import cv2
import numpy as np
import pytest
from command_line import arcface_plus
from single_images import MadeUpDetector, by_hand, photo_of, pixels

from arcface_plus.commands import detector_options
from arcface_plus.commands.embed import embed
from arcface_plus.embedder.load import load_embedder
from arcface_plus.evaluation.image_source import open_source
from data_prep.align.align import Aligner
from data_prep.errors import DataError, UserError
from data_prep.images import read_rgb
from data_prep.pairs import read_pairs


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


def test_many_chunks_are_one(run, synthetic, tmp_path, monkeypatch):
    from arcface_plus.evaluation import embedding_file

    embed(synthetic / "synth_age.bin", run, tmp_path / "one.npz")
    monkeypatch.setattr(embedding_file, "_CHUNK", 64)
    embed(synthetic / "synth_age.bin", run, tmp_path / "two.npz")
    one, two = np.load(tmp_path / "one.npz"), np.load(tmp_path / "two.npz")
    assert np.array_equal(one["embeddings"], two["embeddings"])


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


def test_large_labels_of_a_list_keep_their_values(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg 4294967296\nb.jpg 9007199254740993\nc.jpg 3\n")
    source = open_source(tmp_path / "list.txt")
    assert source.labels.tolist() == [4294967296, 9007199254740993, 3]


def test_outputs_are_checked_before_the_model_is_read(run, crops, tmp_path, monkeypatch):
    """Minutes of embedding were lost to a folder in the file's place or a missing permission."""
    gone = tmp_path / "gone.onnx"
    (tmp_path / "e.npz").mkdir()
    with pytest.raises(UserError, match=r"e\.npz: is a directory"):
        embed(crops / "people", gone, tmp_path / "e.npz")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="no permission to write in"):
        embed(crops / "people", gone, tmp_path / "f.npz")


@pytest.fixture
def photos(crops, tmp_path, monkeypatch):
    """anna/0.jpg and bob/2.png show a face, cy/5.png shows two; and a detector that sees them."""
    monkeypatch.setattr(detector_options, "yunet", MadeUpDetector)
    root = tmp_path / "photos"
    for folder in ("anna", "bob", "cy"):
        (root / folder).mkdir(parents=True)
    cv2.imwrite(str(root / "anna/0.png"), photo_of(crops / "people/anna/0.jpg"))
    cv2.imwrite(str(root / "bob/2.png"), photo_of(crops / "people/bob/2.jpg"))
    two = [photo_of(crops / "people" / name) for name in ("bob/3.jpg", "cy/5.jpg")]
    cv2.imwrite(str(root / "cy/5.png"), np.hstack(two))
    return root


def words(photos, run, out, *more):
    return ("embed", photos, "-c", run, "-o", out, "-m", "yunet.onnx", *more)


def faceless(photos, *names):
    for name in names:
        cv2.imwrite(str(photos / name), np.zeros((250, 200, 3), np.uint8))


def test_photos_are_embedded_by_their_faces(photos, crops, run, tmp_path, capsys):
    done = arcface_plus(capsys, *words(photos, run, tmp_path / "e.npz", "--pick", "best"))
    assert done.status == 0
    assert "1 of 3 photos show several faces: best taken\n" in done.err
    found = np.load(tmp_path / "e.npz")
    assert found["paths"].tolist() == ["anna/0.png", "bob/2.png", "cy/5.png"]
    assert found["labels"].tolist() == [0, 1, 2]
    people = [crops / "people" / name for name in ("anna/0.jpg", "bob/2.jpg", "bob/3.jpg")]
    cosines = found["embeddings"] @ by_hand(run, pixels(*people)).T
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2]
    aligner = Aligner(MadeUpDetector(), pick="best")
    made = [aligner.align(n, read_rgb(photos / n))[0] for n in found["paths"].tolist()]
    assert found["embeddings"] == pytest.approx(by_hand(run, np.stack(made)), abs=1e-5)


def test_photos_without_a_face_are_named_unless_they_are_to_be_left_out(
    photos, run, tmp_path, capsys
):
    faceless(photos, "anna/no.png", "cy/no.png")
    out = tmp_path / "e.npz"
    arcface_plus(capsys, *words(photos, run, out)).assert_one_line(
        "photos: no face found in 2 of 5 photos: anna/no.png, cy/no.png; --skip-faceless leaves "
        "such photos out, --fallback center crops their centre"
    )
    assert not out.exists()
    done = arcface_plus(capsys, *words(photos, run, out, "--skip-faceless"))
    assert "2 of 5 photos show no face, left out: anna/no.png, cy/no.png\n" in done.err
    assert np.load(out)["paths"].tolist() == ["anna/0.png", "bob/2.png", "cy/5.png"]
    assert np.load(out)["labels"].tolist() == [0, 1, 2]
    done = arcface_plus(capsys, *words(photos, run, out, "--fallback", "center"))
    assert "show no face, cropped at their centre: anna/no.png, cy/no.png\n" in done.err
    assert len(np.load(out)["embeddings"]) == 5


def test_options_for_photos_need_the_detector_and_agree(photos, run, tmp_path, capsys):
    out = tmp_path / "e.npz"
    plain = ("embed", photos, "-c", run, "-o", out)
    skip = arcface_plus(capsys, *plain, "--skip-faceless")
    skip.assert_one_line("--skip-faceless is for photos: give the face detector's --model FILE")
    pick = arcface_plus(capsys, *plain, "--pick", "best", "--min-score", 0.5)
    pick.assert_one_line("--pick, --min-score need the face detector's file: give --model")
    both = arcface_plus(capsys, *words(photos, run, out, "--skip-faceless", "--fallback", "center"))
    both.assert_one_line("--fallback center keeps them: give one of them")


def test_photos_given_as_crops_are_seen_before_the_model_is_read(photos, tmp_path, capsys):
    done = arcface_plus(
        capsys, "embed", photos, "-c", tmp_path / "gone.onnx", "-o", tmp_path / "e.npz"
    )
    done.assert_one_line(
        "photos: anna/0.png is 336×336, not 112×112; for photos give the face detector's --model"
    )


def test_real_photos(run, real_data, tmp_path, capsys):
    model = real_data / "models" / "face_detection_yunet.onnx"
    out = tmp_path / "e.npz"
    done = arcface_plus(
        capsys, "embed", real_data / "photos", "-c", run, "-o", out, "--model", model
    )
    assert done.status == 0, done
    assert np.load(out)["embeddings"].shape == (60, 16)
    assert "8 of 60 photos show several faces: central-and-large taken" in done.err
