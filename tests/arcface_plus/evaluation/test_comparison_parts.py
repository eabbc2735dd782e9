"""What the command line adds to a comparison's report: class weights' angles, pairs' images."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from classification_runs import classification
from labelled_files import write_mnist

from arcface_plus.evaluation.comparison_parts import class_angles, layer_angles, pair_images
from arcface_plus.evaluation.layer_angles import measure
from arcface_plus.evaluation.verification import pairs_digest
from arcface_plus.run_directory.training_state import Training
from arcface_plus.training.run import execute
from data_prep.errors import UserError
from data_prep.pairs import write_pairs
from eval.compare import compare
from eval.runs import read_run
from eval.verification import verify

IMAGES = [bytes([0xFF, 0xD8, 0xFF, i]) for i in range(80)]
SAME = np.arange(40) % 2 == 0


@pytest.fixture
def runs(tmp_path):
    """Two verified runs, the first with two checkpoints."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        folder = tmp_path / name / "eval"
        folder.mkdir(parents=True)
        found = verify(rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), SAME)
        figures = found.to_json(images=80, unique_images=80, embedding_norm_mean=1.0)
        digest = {"pairs_sha256": pairs_digest(IMAGES, SAME)}
        content = {"schema": 1, "checkpoint": "x", "protocol": "10-fold", "flip": True}
        content["targets"] = {"t": figures | digest}
        (folder / "step_00000002.json").write_text(json.dumps(content))
    for step, degrees in ((1, 10.0), (2, 30.0)):
        turn = np.radians([0.0, degrees, 90.0])
        weight = torch.tensor(np.stack([np.cos(turn), np.sin(turn)], 1))
        training = Training(
            step=step, seed=0, elapsed_seconds=1.0, classes=4, samples=9, optimizer={}, scaler={},
            schema=2,  # an older version's, without a manifest
            classifier={"weight": torch.cat([weight, torch.zeros(1, 2)])},
        )  # fmt: skip
        folder = tmp_path / "a" / "checkpoints" / f"step_{step:08d}"
        folder.mkdir(parents=True)
        torch.save(vars(training), folder / "training.pt")
    return compare([tmp_path / "a", tmp_path / "b"]).runs


def test_angles_of_the_last_checkpoint_without_rows_of_zeros(runs):
    found = class_angles(runs)
    assert found.keys() == {"a"}
    np.testing.assert_allclose(found["a"], [30, 30, 60], rtol=1e-6)


def test_layers_of_a_classification_run_are_those_of_its_last_checkpoint(tmp_path, runs):
    write_mnist(tmp_path / "data", train=40)
    execute(classification(tmp_path / "data", name="mnist_2d"), tmp_path / "digits")
    found = layer_angles([*runs, read_run(tmp_path / "digits")])
    assert found.keys() == {"digits"}  # a and b have no weights
    whole = measure(tmp_path / "digits")
    assert (whole.backbone, whole.step) == ("mnist_2d", 4)
    assert [layer.name for layer in whole.layers][-2:] == ["fc", "classifier"]
    assert [(layer.name, layer.smallest_deg, layer.mean_deg) for layer in found["digits"]] == [
        (layer.name, layer.smallest_deg, layer.mean_deg) for layer in whole.layers[:-1]
    ]


def test_images_of_the_verified_pairs_and_of_no_others(runs, tmp_path):
    with pytest.raises(UserError, match=r"t.bin: no such pair file"):
        pair_images(runs, tmp_path)
    write_pairs(tmp_path / "t.bin", IMAGES, SAME.tolist())
    assert pair_images(runs, tmp_path) == {"t": IMAGES}
    write_pairs(tmp_path / "t.bin", IMAGES[::-1], SAME.tolist())
    with pytest.raises(UserError, match=r"t.bin: not the pairs that a was verified on"):
        pair_images(runs, tmp_path)
