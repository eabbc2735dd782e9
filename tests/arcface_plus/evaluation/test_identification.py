"""Folders, record files and archives through an embedder into identification."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.embedder.load import Embedder
from arcface_plus.evaluation.identification import identify_files, open_faces
from data_prep.class_names import write_class_names
from data_prep.errors import UserError
from data_prep.training_set import TrainingSetWriter

CPU = torch.device("cpu")


def embed(images: torch.Tensor) -> torch.Tensor:
    """A stand-in for a network: the picture in 4×4 blocks, mean taken out."""
    return torch.nn.functional.avg_pool2d(images, 28).flatten(1)


EMBEDDER = Embedder(embed, CPU, "stand-in")


def face(person: int, view: int) -> bytes:
    """A picture: every person has one pattern, every view a little noise."""
    base = np.random.default_rng(person).integers(0, 256, (4, 4, 3))
    noise = np.random.default_rng([person, view]).integers(-20, 20, (112, 112, 3))
    pixels = np.kron(base, np.ones((28, 28, 1))) + noise
    return cv2.imencode(".png", np.clip(pixels, 0, 255).astype(np.uint8))[1].tobytes()


def folder(path: Path, people, views) -> Path:
    for person in people:
        (path / f"person{person}").mkdir(parents=True)
        for view in views:
            (path / f"person{person}" / f"{view}.png").write_bytes(face(person, view))
    return path


def record_file(path: Path, people, views, named: bool) -> Path:
    with TrainingSetWriter(path) as writer:
        for label, person in enumerate(people):
            for view in views:
                writer.add(label, face(person, view))
    if named:
        write_class_names(path, [f"person{person}" for person in people])
    return path


def identify(gallery, probes, distractors, **others):
    return identify_files(
        gallery, probes, distractors, embedder=lambda: EMBEDDER, device=CPU, batch_size=64, **others
    )


@pytest.fixture
def gallery(tmp_path) -> Path:
    return folder(tmp_path / "gallery", range(6), (0, 1))


@pytest.fixture
def probes(tmp_path) -> Path:
    return folder(tmp_path / "probes", range(6), (2,))


@pytest.fixture
def strangers(tmp_path) -> Path:
    return folder(tmp_path / "strangers", range(100, 140), (0,))


def test_folders(gallery, probes, strangers):
    result = identify(gallery, probes, strangers)
    assert (result.trials, result.identities, result.distractors) == (12, 6, 40)
    assert result.rank_rates[40][1] == 1.0  # these people are easily told apart


def test_record_files_and_archives_give_the_same(gallery, probes, strangers, tmp_path):
    by_folder = identify(gallery, probes, strangers)
    for named in (True, False):
        place = tmp_path / f"named_{named}"
        sets = [
            record_file(place / "g", range(6), (0, 1), named),
            record_file(place / "p", range(6), (2,), named) / "train.rec",
            record_file(place / "d", range(100, 140), (0,), named),  # numbers as the gallery's
        ]
        assert identify(*sets).to_json() == by_folder.to_json()
    for name, path in (("g", gallery), ("p", probes), ("d", strangers)):
        found = open_faces(path, lambda: EMBEDDER, 64)
        rows = np.concatenate(list(found.blocks(5)))
        np.savez(tmp_path / f"{name}.npz", embeddings=rows, labels=found.labels)
    archives = [tmp_path / f"{name}.npz" for name in "gpd"]
    result = identify_files(*archives, embedder=None, device=CPU, batch_size=64)
    np.testing.assert_allclose(result.similarities, by_folder.similarities, atol=1e-6)
    assert result.rank_rates == by_folder.rank_rates
    mixed = identify(gallery, tmp_path / "p.npz", strangers)
    assert mixed.rank_rates == by_folder.rank_rates


def test_loose_images_can_distract(gallery, strangers, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    for path in strangers.rglob("*.png"):
        shutil.copy(path, loose / f"{path.parent.name}.png")
    assert identify(gallery, None, loose).distractors == 40
    with pytest.raises(UserError, match="loose: has no identities"):
        identify(loose, None, strangers)
    shutil.copy(next(gallery.rglob("*.png")), gallery / "x.png")
    with pytest.raises(UserError, match=r"gallery/x\.png: lies in no class folder; move it to"):
        identify(gallery, None, strangers)


def test_mistakes(gallery, probes, strangers, tmp_path):
    with pytest.raises(UserError, match=r"given as gallery and as probes.*leave --probes"):
        identify(gallery, tmp_path / "probes" / ".." / "gallery", strangers)
    with pytest.raises(UserError, match="also given as gallery or probes"):
        identify(gallery, probes, gallery)
    with pytest.raises(UserError, match="gallery: contains images; give the model"):
        identify_files(gallery, None, strangers, embedder=None, device=CPU, batch_size=64)
    with pytest.raises(UserError, match=r"identity 'person7' of person7/0\.png is not in the gall"):
        identify(gallery, folder(tmp_path / "p7", [7], (0,)), strangers)
    with pytest.raises(UserError, match=r"identity 'person3' of person3/9\.png is also in the"):
        identify(gallery, probes, folder(tmp_path / "d3", [3, 80], (9,)))
    with pytest.raises(UserError, match="none: no such file or folder"):
        identify(gallery, probes, tmp_path / "none")
    (strangers / "person100" / "0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"strangers: person100/0\.png cannot be decoded"):
        identify(gallery, probes, strangers)


def test_archives_of_two_models_are_told(tmp_path):
    rows = np.eye(4, dtype=np.float32)
    np.savez(tmp_path / "g.npz", embeddings=rows, labels=[0, 0, 1, 1], checkpoint="a", flip=True)
    np.savez(tmp_path / "d.npz", embeddings=rows, checkpoint="b", flip=True)
    warnings = []
    identify(tmp_path / "g.npz", None, tmp_path / "d.npz", warn=warnings.append)
    assert len(warnings) == 1
    assert "checkpoint a, flip True" in warnings[0]
