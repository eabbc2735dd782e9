"""A run's state goes into a checkpoint and comes back, with who it is and how long it took."""

from __future__ import annotations

import shutil

import pytest
import torch
from checkpoints import CARD, CONDITIONS
from updates import batch, updater, weights

from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.training_state import load_training
from arcface_plus.training.saving import Saving


def saving(run, made) -> Saving:
    return Saving(run, Checkpoints(run, keep=2), made, CARD, CONDITIONS, {0: "ann"})


def test_a_restored_run_goes_the_same_way_and_is_the_same_run(tmp_path):
    one, other = updater(), updater(seed=0)
    first = saving(tmp_path, one)
    one.make(batch(), 0, measure=False)
    first.save(1)
    checkpoint = tmp_path / "checkpoints/step_00000001"
    training = load_training(checkpoint)
    second = saving(tmp_path, other)
    second.restore(checkpoint, training)
    for made in (one, other):
        made.make(batch(), 1, measure=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
    second.save(2)
    later = load_training(tmp_path / "checkpoints/step_00000002")
    assert later.run_id == training.run_id != ""
    assert later.elapsed_seconds > training.elapsed_seconds
    assert (later.data_digest, later.precision, later.samples) == ("d", "fp32", 9)


def test_two_runs_are_told_apart(tmp_path):
    for name in ("one", "other"):
        saving(tmp_path / name, updater()).save(1)
    ids = {
        load_training(tmp_path / n / "checkpoints/step_00000001").run_id for n in ("one", "other")
    }
    assert len(ids) == 2


def test_what_a_kill_left_undone_is_completed(tmp_path):
    made = updater()
    keeper = saving(tmp_path, made)
    keeper.save(1)
    whole = (tmp_path / "nearest_classes.csv").read_bytes()
    assert b"ann" in whole
    for name in ("nearest_classes.csv", "model.safetensors", "model.json"):
        (tmp_path / name).unlink()
    shutil.copytree(
        tmp_path / "checkpoints/step_00000001", tmp_path / "checkpoints/.step_00000002.partial"
    )
    for _ in range(2):  # again is harmless
        keeper.complete()
        assert (tmp_path / "nearest_classes.csv").read_bytes() == whole
        assert (tmp_path / "model.json").is_file()
        assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step_00000001"]


def test_a_failed_save_is_not_hidden(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "save", full)
    with pytest.raises(OSError, match="No space"):
        saving(tmp_path, updater()).save(1)
