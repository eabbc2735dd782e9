"""Checkpoints appear whole, the oldest go, and RUN/model.* is the last one's."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from checkpoints import save, training

from arcface_plus.run_directory.checkpoint import Checkpoints, step_of
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.run_directory.model_file import load_weights
from arcface_plus.run_directory.training_state import load_training


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    path = save(tmp_path, 4)
    assert names(path) == ["classes-00000-of-00001.safetensors", "manifest.json", "model.json",
                           "model.safetensors", "training.pt"]  # fmt: skip
    found = load_training(path)
    assert (found.step, found.run_id, found.elapsed_seconds) == (4, "run", 1.5)
    assert read_rows(path)["classifier.weight"].tolist() == [[4.0, 4.0]] * 3
    assert load_weights(path / "model.safetensors")["fc.weight"].tolist() == [[4.0, 4.0]] * 2


def test_the_oldest_go_and_the_model_is_the_last_ones(tmp_path):
    for step in (2, 10, 4):
        save(tmp_path, step, keep=2)
    found = Checkpoints(tmp_path, 2)
    assert [path.name for path in found.all()] == ["step_00000004", "step_00000010"]
    assert found.last() == tmp_path / "checkpoints/step_00000010"
    assert names(tmp_path / "checkpoints") == ["step_00000004", "step_00000010"]
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / name).read_bytes() == (found.all()[-1] / name).read_bytes()


def test_other_files_are_no_checkpoints_and_stay(tmp_path):
    folder = tmp_path / "checkpoints"
    for name in ("step_12", "best", ".step_00000009.partial", ".step_00000001.removed", ".step_x"):
        (folder / name).mkdir(parents=True)
    assert Checkpoints(tmp_path, 1).all() == []
    assert Checkpoints(tmp_path, 1).last() is None
    save(tmp_path, 3, keep=1)
    assert names(folder) == [".step_x", "best", "step_00000003", "step_12"]


def test_the_same_step_again_replaces_it(tmp_path):
    save(tmp_path, 3)
    path = save(tmp_path, 3, run_id="other")
    assert load_training(path).run_id == "other"
    assert names(tmp_path / "checkpoints") == ["step_00000003"]


def test_a_save_that_fails_leaves_what_there_was(tmp_path, monkeypatch):
    from arcface_plus.run_directory import checkpoint

    save(tmp_path, 3, keep=1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_training", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 4, keep=1)
    assert names(tmp_path / "checkpoints") == ["step_00000003"]


def test_tidying_completes_what_a_kill_cut_short(tmp_path):
    """Between the appearance of a checkpoint and the rest of its save."""
    save(tmp_path, 2)
    for name in ("model.safetensors", "model.json"):
        shutil.copy(tmp_path / name, tmp_path / f"old.{name}")
    save(tmp_path, 4)
    for name in ("model.safetensors", "model.json"):
        os.replace(tmp_path / f"old.{name}", tmp_path / name)
    Checkpoints(tmp_path, 1).tidy()
    assert names(tmp_path / "checkpoints") == ["step_00000004"]
    assert load_weights(tmp_path / "model.safetensors")["fc.weight"][0, 0] == 4


def test_writing_over_the_runs_model_leaves_the_checkpoint_alone(tmp_path):
    """Also where an older version made links."""
    path = save(tmp_path, 2)
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).unlink()
        os.link(path / name, tmp_path / name)
    Checkpoints(tmp_path, 1).tidy()
    for name in ("model.safetensors", "model.json"):
        whole = (path / name).read_bytes()
        with open(tmp_path / name, "r+b") as file:
            file.write(b"over")
        assert (path / name).read_bytes() == whole


def test_a_good_checkpoint_is_not_written_again_and_a_damaged_one_is(tmp_path):
    """A signal or a broken record right after a checkpoint saves the same step."""
    path = save(tmp_path, 3)
    number = path.stat().st_ino
    save(tmp_path, 3)
    assert path.stat().st_ino == number
    (path / "training.pt").write_bytes(b"damaged")
    save(tmp_path, 3)
    assert load_training(path).step == 3


def test_steps_are_read_off_names(tmp_path):
    assert step_of(tmp_path / "step_00038000") == 38_000
    assert step_of(tmp_path / "step_123456789") == 123_456_789
    assert step_of(tmp_path / "step_38") is None
    assert training(7).identity == "run step 7"
    assert training(7, run_id="").identity == ""


def verified(run, step: int, accuracy: float) -> None:
    (run / "eval").mkdir(exist_ok=True)
    content = {"targets": {"lfw": {"accuracy": {"mean": accuracy}}}}
    (run / f"eval/step_{step:08d}.json").write_text(json.dumps(content))


def test_the_best_on_a_target_stays_beside_the_newest(tmp_path):
    kept = Checkpoints(tmp_path, 1, best_on="lfw")
    for step, accuracy in ((1, 0.7), (2, 0.9), (3, 0.9), (4, 0.8)):
        save(tmp_path, step)
        verified(tmp_path, step, accuracy)
        kept.tidy()
    assert names(tmp_path / "checkpoints") == ["step_00000002", "step_00000004"]
    assert kept.best() == (tmp_path / "checkpoints/step_00000002", 0.9)
    assert kept.best_facts() == {"best": {"target": "lfw", "step": 2, "accuracy": 0.9}}
    assert kept.last() == tmp_path / "checkpoints/step_00000004"
    last = kept.last() / "model.json"
    assert (tmp_path / "model.json").read_bytes() == last.read_bytes()


def test_without_a_usable_verification_there_is_no_best(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/step_00000001.json").write_text("broken")
    kept = Checkpoints(tmp_path, 1, best_on="lfw")
    assert (kept.best(), kept.best_facts()) == (None, {})
    kept.tidy()
    assert names(tmp_path / "checkpoints") == ["step_00000002"]
