"""Any image set, decoded: the same pixels, classes and digest, and errors that name the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from arcface_plus.data import sources
from arcface_plus.data.sources import open_source
from data_prep.errors import DataError
from data_prep.extract import extract
from data_prep.image_sets import open_image_set
from data_prep.inspect.inspect import inspect
from data_prep.pairs import write_pairs
from data_prep.training_set import TrainingSetWriter


def drawn(seed):
    return np.random.default_rng(seed).integers(0, 256, (112, 112, 3), np.uint8)


def encoded(seed, suffix=".png"):
    return cv2.imencode(suffix, drawn(seed)[..., ::-1])[1].tobytes()


@pytest.fixture
def sets(tmp_path, write_tar):
    """One set as a record file, as files and as shards."""
    members = {}
    with TrainingSetWriter(tmp_path / "records") as writer:
        for k in range(6):
            writer.add(k // 3, encoded(k))
            members |= {f"{k}.png": encoded(k), f"{k}.cls": b"%d" % (k // 3)}
    write_tar(tmp_path / "shards" / "0.tar", members)
    extract(tmp_path / "records", tmp_path / "files")
    return [tmp_path / name for name in ("records", "files", "shards")]


def test_every_kind_gives_the_same_pixels_classes_and_digest(sets):
    opened = [open_source(path) for path in sets]
    for source in opened:
        assert (len(source), source.classes) == (6, 2)
        assert source.labels.tolist() == [0, 0, 0, 1, 1, 1]
        for k in range(6):
            assert np.array_equal(source.image(k), drawn(k))
    assert len({source.digest() for source in opened}) == 1
    assert len({source.fingerprint() for source in opened}) == 3
    assert all(len(source.fingerprint()) == 16 for source in opened)


def test_training_sees_what_the_tools_see(tmp_path):
    """Once four images in three classes, one of them .cache, where `inspect` saw six in four."""
    for name in (".cache/thumb.png", "anna/1.png", "anna/deep/2.PNG", "bob/1.jpe", "carl/1.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        suffix = (tmp_path / name).suffix.lower()
        (tmp_path / name).write_bytes(encoded(len(name), suffix))
    source, tools = open_source(tmp_path), open_image_set(tmp_path)
    found = inspect(tmp_path)
    assert source.class_names == tools.class_names == {0: "anna", 1: "bob", 2: "carl"}
    assert source.labels.tolist() == tools.labels.tolist() == [0, 0, 1, 2]
    assert (len(source), source.classes) == (found.images, found.classes) == (4, 3)
    assert not found.unreadable


def test_what_cannot_be_trained_on(tmp_path, write_tar):
    write_pairs(tmp_path / "a.bin", [encoded(0), encoded(1)], [True])
    with pytest.raises(DataError, match="who is the same, not who it is"):
        open_source(tmp_path / "a.bin")
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "x.png").write_bytes(encoded(0))
    with pytest.raises(DataError, match=r"x\.png: lies in no class folder"):
        open_source(tmp_path / "loose")
    write_tar(tmp_path / "0.tar", {"1.png": encoded(0)})
    with pytest.raises(DataError, match=r"0\.tar/1\.png at byte \d+ has no class index"):
        open_source(tmp_path / "0.tar")


def test_an_image_that_cannot_be_decoded_is_named(sets):
    (sets[1] / "000000" / "000001.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"files/000000/000001\.png cannot be decoded: not a"):
        open_source(sets[1]).image(0)
    shard = sets[2] / "0.tar"
    shard.write_bytes(shard.read_bytes().replace(b"\x89PNG", b"what"))
    with pytest.raises(DataError, match=r"shards/0\.tar/2\.png at byte \d+ cannot be decoded"):
        open_source(sets[2]).image(2)


def test_another_decoder_has_another_fingerprint(sets, monkeypatch):
    before = [open_source(path).fingerprint() for path in sets]
    assert [open_source(path).fingerprint() for path in sets] == before
    monkeypatch.setattr(sources.cv2, "__version__", "0")
    assert not set(before) & {open_source(path).fingerprint() for path in sets}
    digests = {open_source(path).digest() for path in sets}
    assert len(digests) == 1  # the digest is of the bytes, independent of the decoder
