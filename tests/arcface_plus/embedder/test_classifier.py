"""Classification runs and checkpoints as scorers; other things are refused in one line."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from classification_runs import classification
from labelled_files import cifar_10_batches, write_pickles

from arcface_plus.embedder.classifier import load_classifier
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.training.run import execute
from data_prep.errors import DataError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    write_pickles(folder / "data", cifar_10_batches(8))
    execute(classification(folder / "data", "data.normalize=per_channel"), folder / "run")
    return folder / "run"


def test_a_run_is_its_last_checkpoint(run):
    loaded, last = load_classifier(run), load_classifier(run / "checkpoints/step_00000004")
    rows = read_rows(run / "checkpoints/step_00000004")
    for each in (loaded, last):
        assert torch.equal(each.classifier.weight, rows["classifier.weight"])
        assert torch.equal(each.classifier.bias, rows["classifier.bias"])
    first = load_classifier(run / "checkpoints/step_00000002")
    assert not torch.equal(first.classifier.weight, loaded.classifier.weight)
    assert not loaded.network.training
    card = json.loads((run / "model.json").read_text())
    assert list(loaded.channels.mean) == card["mean"]
    assert len(set(card["mean"])) == 3
    assert card["class_names"][3] == "cat"


def test_what_cannot_be_loaded(run, tmp_path):
    with pytest.raises(DataError, match="no such run or checkpoint"):
        load_classifier(tmp_path / "absent")
    with pytest.raises(DataError, match="is a file; give a run or a checkpoint"):
        load_classifier(run / "model.safetensors")
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("model.json", "model.safetensors"):
        shutil.copy(run / name, bare)
    with pytest.raises(DataError, match="has no checkpoint, and so no class weights"):
        load_classifier(bare)
    broken = tmp_path / "step_00000004"
    shutil.copytree(run / "checkpoints/step_00000004", broken)
    with open(broken / "classes-00000-of-00001.safetensors", "ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match=r"classes-00000-of-00001\.safetensors"):
        load_classifier(broken)
