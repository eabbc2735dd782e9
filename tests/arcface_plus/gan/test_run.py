"""Whole runs of GANs: every recipe, resuming, scores, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from classification_runs import classification
from gan_runs import gan_config, tensors
from labelled_files import cifar_10_batches, write_pickles
from runs import lines

from arcface_plus.config.recipes import gan_recipes
from arcface_plus.gan.run import build_updater, execute
from arcface_plus.training import run as training
from data_prep.errors import UserError


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    write_pickles(folder, cifar_10_batches(8))
    return folder


@pytest.fixture(scope="module")
def judge(cifar, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge") / "run"
    training.execute(classification(cifar, "optimizer.steps=1"), folder)
    return folder


@pytest.mark.parametrize("name", gan_recipes())
def test_every_recipe_runs_two_steps(name, cifar, tmp_path, capfd):
    run = tmp_path / "run"
    execute(gan_config(cifar, "optimizer.steps=2", name=name), run)
    assert [line["step"] for line in lines(run)] == [1, 2]
    assert ("loss_regularizer" in lines(run)[0]) == ("mhe" in name)
    assert "eval.classifier: null, so there are pictures but no" in capfd.readouterr().err
    assert (run / "samples/step_00000002.png").is_file()


def test_a_resumed_run_has_the_same_bits(cifar, tmp_path):
    settings = "model.normalization=batch", "optimizer.steps=3"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    execute(gan_config(cifar, *settings), whole)
    execute(gan_config(cifar, *settings, "optimizer.steps=2"), parts)
    execute(gan_config(cifar, *settings), parts)
    ours, theirs = (tensors(run / "checkpoints/step_00000003") for run in (parts, whole))
    assert [n for n in theirs if not torch.equal(ours[n], theirs[n])] == []
    earlier = tensors(whole / "checkpoints/step_00000002")
    assert not torch.equal(earlier["D.dense.weight"], theirs["D.dense.weight"])


def test_the_score_of_the_last_counts_and_the_best_is_told(cifar, judge, tmp_path, capfd):
    run = tmp_path / "run"
    config = gan_config(cifar, f"eval.classifier={judge}")
    execute(config, run)
    shown = capfd.readouterr().err
    summary = json.loads((run / "summary.json").read_text())
    files = {int(f.stem[5:]): json.loads(f.read_text()) for f in (run / "eval").glob("*.json")}
    assert sorted(files) == [2, 4]
    last = files[4]["inception_score"]
    assert summary["evaluation"]["inception_score"] == last
    assert summary["evaluation"]["classifier"]["path"] == str(judge)
    best = max(files.values(), key=lambda f: f["inception_score"]["mean"])
    assert summary["best"] == {k: best[k] for k in ("step", "inception_score")}
    assert f"last: inception score {last['mean']:.3f} ± {last['std']:.3f} (real images" in shown
    assert "by cnn9 with 10 classes" in shown
    assert "report the last one" in shown
    execute(config, run)  # nothing is left to do
    assert "finished at step 4; to train longer" in capfd.readouterr().err


def test_weights_are_a_function_of_the_seed():
    cpu = torch.device("cpu")
    first, again, other = (build_updater(gan_config(None, f"run.seed={k}"), cpu) for k in (1, 1, 2))
    for network in ("generator", "discriminator"):
        one, same, another = (getattr(u, network).state_dict() for u in (first, again, other))
        assert all(torch.equal(one[n], same[n]) for n in one)
        assert any(not torch.equal(one[n], another[n]) for n in one)


def test_what_a_run_refuses(cifar, tmp_path, monkeypatch):
    run = tmp_path / "run"
    execute(gan_config(cifar, "optimizer.steps=2"), run)
    with pytest.raises(UserError, match=r"another configuration \(model\.latent_dim 5 → 6\)"):
        execute(gan_config(cifar, "model.latent_dim=6"), run)
    with pytest.raises(UserError, match="another configuration"):
        training.execute(classification(cifar), run)
    write_pickles(tmp_path / "other", cifar_10_batches(9))
    with pytest.raises(UserError, match=r"data\.train holds other images or another order"):
        execute(gan_config(tmp_path / "other"), run)
    with pytest.raises(UserError, match=r"missing key data\.train"):
        execute(gan_config(None), tmp_path / "new")
    with pytest.raises(UserError, match=r"eval\.classifier: .*nowhere: no such run or file"):
        execute(gan_config(cifar, "eval.classifier=nowhere"), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/mine.txt").touch()
    with pytest.raises(UserError, match="not empty and not a run"):
        execute(gan_config(cifar), tmp_path / "letters")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="trains in one process"):
        execute(gan_config(cifar), run)


def test_fresh_discards_what_the_run_has_written_and_nothing_else(cifar, tmp_path):
    run = tmp_path / "run"
    execute(gan_config(cifar, "optimizer.steps=2"), run)
    (run / "samples/mine.png").touch()
    execute(gan_config(cifar, "optimizer.steps=1", "run.seed=9"), run, fresh=True)
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["mine.png", "step_00000001.png"]
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step_00000001"]
