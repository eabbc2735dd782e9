"""Folders, record files and archives through an embedder into identification."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from arcface_plus.bench import identification as bench
from arcface_plus.commands.identify import identify as command
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
    with pytest.raises(UserError, match="loose: does not say whose face each is"):
        identify(loose, None, strangers)
    shutil.copy(next(gallery.rglob("*.png")), gallery / "x.png")
    with pytest.raises(UserError, match=r"gallery: x\.png lies in no identity's folder"):
        identify(gallery, None, strangers)


def test_mistakes(gallery, probes, strangers, tmp_path):
    with pytest.raises(UserError, match=r"is gallery and probes.*leave --probes"):
        identify(gallery, tmp_path / "probes" / ".." / "gallery", strangers)
    with pytest.raises(UserError, match="its people are in the gallery"):
        identify(gallery, probes, gallery)
    with pytest.raises(UserError, match="gallery: holds images; say with --ckpt"):
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


def test_command_line(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((8, 16)).astype(np.float32)
    np.savez(tmp_path / "g.npz", embeddings=rows, labels=np.arange(8))
    np.savez(tmp_path / "p.npz", embeddings=rows, labels=np.arange(8))
    np.save(tmp_path / "d.npy", rng.standard_normal((1500, 16)).astype(np.float16))
    app = typer.Typer()
    app.command()(command)
    words = [f"--{n}={tmp_path / f}" for n, f in
             (("gallery", "g.npz"), ("probes", "p.npz"), ("distractors", "d.npy"),
              ("json", "out.json"))]  # fmt: skip
    result = CliRunner().invoke(app, [*words, "--device=cpu"], catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "8 probes, 8 trials (probe and mate) of 8 identities, 1,500 distractors"
    assert lines[1] == "        10 distractors: rank-1 100.00%  rank-5 100.00%  rank-10 100.00%"
    assert "TAR@FAR 1e-4: – (needs 100000 different pairs, there are 12000)" in lines
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["schema"] == 1
    assert content["protocol"] == "megaface"
    assert content["checkpoint"] is None
    assert content["counts"]["identical"] == 8
    assert content["rank"]["1500"] == {"1": 1.0, "5": 1.0, "10": 1.0}


def test_bench_compares_like_with_like(monkeypatch):
    def in_this_process(folder, size, way):  # spares the test two starts of PyTorch
        if size == 3000:
            return whole(folder, size, way)
        files = [folder / name for name in ("gallery.npz", "probes.npz", f"distractors_{size}.npy")]
        figures = {"plain": bench._plain, "blocks": bench._blocks}[way](*files)
        return {"seconds": 1.0, "peak_mb": bench._peak_mb(), "figures": figures}

    whole = bench._in_own_process
    monkeypatch.setattr(bench, "_in_own_process", in_this_process)
    found = bench.run(probes=30, distractors=3000, compared_at=1000, dimensions=64)
    assert [row["name"] for row in found["rows"]] == [
        "1,000 distractors, all scores at once",
        "1,000 distractors, in blocks",
        "3,000 distractors, in blocks",
    ]
    assert found["same_figures"]
    assert all(row["seconds"] > 0 and row["peak_mb"] > 10 for row in found["rows"])
    assert [row["ratio"] for row in found["rows"]] == [1.0, 1.0, None]
