"""A run's state goes into a checkpoint and comes back, with who it is and how long it took."""

from __future__ import annotations

import copy
import shutil
import threading
import time

import pytest
import torch
from checkpoints import CARD, CONDITIONS, as_schema
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
    first.wait()
    checkpoint = tmp_path / "checkpoints/step_00000001"
    training = load_training(checkpoint)
    second = saving(tmp_path, other)
    second.restore(checkpoint, training)
    for made in (one, other):
        made.make(batch(), 1, measure=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
    second.save(2)
    second.close()
    later = load_training(tmp_path / "checkpoints/step_00000002")
    assert later.run_id == training.run_id != ""
    assert later.elapsed_seconds > training.elapsed_seconds
    assert (later.data_digest, later.precision, later.samples) == ("d", "fp32", 9)


def test_two_runs_are_told_apart(tmp_path):
    for name in ("one", "other"):
        writing = saving(tmp_path / name, updater())
        writing.save(1)
        writing.wait()
    ids = {
        load_training(tmp_path / n / "checkpoints/step_00000001").run_id for n in ("one", "other")
    }
    assert len(ids) == 2


def test_what_a_kill_left_undone_is_completed(tmp_path):
    made = updater()
    keeper = saving(tmp_path, made)
    keeper.save(1)
    keeper.wait()
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


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device", "training.pt")


def test_a_failed_save_is_raised_by_whatever_comes_next(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "save", full_disk)
    for after in (Saving.wait, Saving.tidy, Saving.complete, lambda kept: kept.save(2)):
        keeper = saving(tmp_path, updater())
        keeper.save(1)
        keeper.last()  # waits, but the error is not its own
        assert keeper.failed
        with pytest.raises(OSError, match="No space"):
            after(keeper)
        assert not keeper.failed  # it is told once


def test_a_failed_save_is_a_line_where_the_run_ends_for_another_reason(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(Checkpoints, "save", full_disk)
    keeper = saving(tmp_path, updater())
    keeper.save(1)
    keeper.close()
    said = capsys.readouterr().err
    assert str(tmp_path) in said.replace("\n", "")
    assert "No space left on device" in said


def test_what_is_saved_is_the_state_at_the_step_whatever_happens_to_it_then(tmp_path, monkeypatch):
    """The thread is held until weights, momentum and statistics have changed."""
    made, changed = updater(momentum=0.9), threading.Event()
    made.make(batch(), 0, measure=False)
    real = Checkpoints.save

    def late(*given: object) -> object:
        assert changed.wait(60)
        return real(*given)

    monkeypatch.setattr(Checkpoints, "save", late)
    keeper = saving(tmp_path, made)
    before = copy.deepcopy((made.recognizer.state_dict(), made.optimizer.state_dict()["state"]))
    keeper.save(1)
    assert keeper.checkpoints.all() == []  # training goes on without it
    made.make(batch(), 1, measure=False)
    changed.set()
    keeper.wait()
    other = updater(seed=0, momentum=0.9)
    checkpoint = tmp_path / "checkpoints/step_00000001"
    saving(tmp_path, other).restore(checkpoint, load_training(checkpoint))
    found = (other.recognizer.state_dict(), other.optimizer.state_dict()["state"])
    for then, now in zip(before, found, strict=True):
        torch.testing.assert_close(now, then, rtol=0, atol=0)


def test_the_next_save_waits_for_the_one_before_it(tmp_path, monkeypatch):
    running, seen = [], []
    real = Checkpoints.save

    def slow(*given: object) -> object:
        running.append(1)
        seen.append(len(running))
        time.sleep(0.05)
        done = real(*given)
        running.pop()
        return done

    monkeypatch.setattr(Checkpoints, "save", slow)
    keeper = saving(tmp_path, updater())
    for step in (1, 2, 3):
        keeper.save(step)
    assert keeper.last() == tmp_path / "checkpoints/step_00000003"
    assert seen == [1, 1, 1]
    assert [path.name[-1] for path in keeper.checkpoints.all()] == ["2", "3"]


@pytest.mark.parametrize("schema", [2, 3])
def test_checkpoints_of_older_versions_are_restored(tmp_path, schema):
    made = updater(momentum=0.9)
    made.make(batch(), 0, measure=False)
    keeper = saving(tmp_path, made)
    keeper.save(1)
    keeper.wait()
    checkpoint = as_schema(schema, tmp_path / "checkpoints/step_00000001")
    other = updater(seed=0, momentum=0.9)
    saving(tmp_path, other).restore(checkpoint, load_training(checkpoint))
    for one in (made, other):
        one.make(batch(), 1, measure=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(made), weights(other), strict=True))
