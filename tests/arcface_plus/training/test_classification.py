"""Whole classification runs: what they write, and that they resume bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from classification_runs import classification, write_data_of
from labelled_files import cifar_10_batches, write_pickles
from processes import in_processes
from runs import assert_same_bits, lines

from arcface_plus.config.recipes import recipes
from arcface_plus.config.tree import load
from arcface_plus.embedder.classifier import load_classifier
from arcface_plus.runtime import Processes
from arcface_plus.training import groundwork
from arcface_plus.training.groundwork import lay_groundwork
from arcface_plus.training.run import execute
from data_prep.errors import UserError
from data_prep.labelled_images import open_labelled_images

CLASSIFICATION = [n for n, file in recipes().items() if load(file).task == "classification"]


@pytest.fixture(scope="module")
def cifar(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cifar")
    write_pickles(folder, cifar_10_batches(12))
    return folder


@pytest.fixture(scope="module")
def run(cifar, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "whole"
    execute(classification(cifar), folder)
    return folder


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_every_recipe_runs_two_steps(name, tmp_path):
    write_data_of(name, tmp_path / "data")
    settings = ("optimizer.steps=2", "data.batch_size=2")
    config = classification(tmp_path / "data", *settings, name=name)
    execute(config, tmp_path / "run")
    assert [line["step"] for line in lines(tmp_path / "run")] == [1, 2]
    assert 0 <= json.loads((tmp_path / "run/summary.json").read_text())["test"]["top1"] <= 1


def test_the_files_say_what_the_test_split_gave(run, cifar):
    summary = json.loads((run / "summary.json").read_text())
    written = json.loads((run / "eval/step_00000004.json").read_text())
    assert written["checkpoint"] == "step_00000004"
    assert summary["accuracy"] == {"test": written["top1"]}
    assert summary["test"]["per_class_error"] == written["per_class_error"]
    assert written["top1"] == top1_by_hand(run, cifar)
    assert written["images"] == 12


def top1_by_hand(run: Path, data: Path) -> float:
    """Of the test split, image by image."""
    loaded = load_classifier(run)
    test = open_labelled_images(data, "test")
    hits = 0
    for index in range(len(test)):
        pixels = torch.from_numpy(np.array(test.image(index), np.float32))
        image = ((pixels - 127.5) / 128).permute(2, 0, 1)[None]
        with torch.no_grad():
            features = loaded.network(image)
            logits = features @ loaded.classifier.weight.T + loaded.classifier.bias
        hits += int(logits.argmax()) == test.labels[index]
    return hits / len(test)


def test_a_resumed_run_has_the_same_bits(run, cifar, tmp_path):
    parts = tmp_path / "parts"
    execute(classification(cifar, "optimizer.steps=2"), parts)
    execute(classification(cifar), parts)
    assert_same_bits(run / "checkpoints/step_00000004", parts / "checkpoints/step_00000004")
    whole, resumed = (json.loads((r / "eval/step_00000004.json").read_text()) for r in (run, parts))
    assert whole == resumed


def _whole_and_in_parts(rank: int, cifar: Path, folder: Path) -> None:
    groundwork.join_processes = lambda _: Processes(rank, 2)  # they have joined already
    execute(classification(cifar), folder / "whole")
    execute(classification(cifar, "optimizer.steps=2"), folder / "parts")
    execute(classification(cifar), folder / "parts")


def test_two_processes_train_together_and_one_continues(run, cifar, tmp_path):
    in_processes(2, _whole_and_in_parts, cifar, tmp_path)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert json.loads((whole / "environment.json").read_text())["processes"] == 2
    assert_same_bits(whole / "checkpoints/step_00000004", parts / "checkpoints/step_00000004")
    assert [line["step"] for line in lines(parts)] == [1, 2, 3, 4]
    alone, together = lines(run)[0], lines(whole)[0]
    assert together["loss"] == pytest.approx(alone["loss"], rel=0.2)  # statistics of half a batch
    assert json.loads((whole / "summary.json").read_text())["test"]["images"] == 12
    assert json.loads((whole / "summary.json").read_text())["test"]["top1"] == (
        top1_by_hand(whole, cifar)
    )
    execute(classification(cifar, "optimizer.steps=5"), whole)
    assert [line["step"] for line in lines(whole)] == [1, 2, 3, 4, 5]


def test_the_closing_line_says_which_checkpoint_counts(cifar, tmp_path, capfd):
    execute(classification(cifar, "optimizer.steps=2"), tmp_path / "run")
    top1 = json.loads((tmp_path / "run/summary.json").read_text())["test"]["top1"]
    said = capfd.readouterr().err
    assert f"last checkpoint: test top-1 {top1:.2%}, top-5 " in said
    assert "(what counts is the last, not the best)" in said


def test_a_finished_run_is_not_trained_again(run, cifar, capfd):
    execute(classification(cifar), run)
    assert "finished at step 4" in capfd.readouterr().err


def test_an_imbalanced_set_keeps_some_images(cifar):
    settings = ("data.imbalance.classes=[0, 3]", "data.imbalance.keep=2")
    source = lay_groundwork(classification(cifar, *settings)).source
    assert np.bincount(source.labels).tolist() == [2, 6, 6, 2, 6, 6, 6, 6, 6, 6]
    assert source.classes == 10
    too_many = classification(cifar, "data.imbalance.rising=5")
    with pytest.raises(UserError, match=r"data\.imbalance: .*class 1 has 6 images"):
        lay_groundwork(too_many)


def test_what_cannot_be_trained_on_is_one_line(cifar, tmp_path):
    with pytest.raises(UserError, match=r"missing key data\.train"):
        lay_groundwork(classification(cifar, "data.train=null"))
    wide = classification(cifar, "data.augment.pad=40")
    with pytest.raises(UserError, match=r"data\.augment\.pad: .* wider than images of 32×32"):
        lay_groundwork(wide)


def test_a_crop_larger_than_the_images_is_one_line(cifar):
    area = "data.augment={pad: 0, area: [0.5, 1.0]}"
    with pytest.raises(UserError, match=r"data\.crop: a square of 40 is larger than images of 32"):
        lay_groundwork(classification(cifar, area, "data.crop=40"))
    ground = lay_groundwork(classification(cifar, area, "data.crop=24"))
    assert (ground.source.size, ground.side) == ((32, 32), 24)


def test_a_margin_head_and_regularizers_on_all_layers(cifar, tmp_path):
    terms = "regularizer=[{name: mma, weight: 0.07, layers: all}]"
    execute(classification(cifar, "head=arcface", terms), tmp_path / "run")
    last = lines(tmp_path / "run")[-1]
    assert last["loss"] < last["loss_margin"]  # minus an angle
    assert load_classifier(tmp_path / "run").classifier.bias is None
