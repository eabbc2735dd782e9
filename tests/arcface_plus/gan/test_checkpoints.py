"""A GAN's checkpoints: whole or absent, damage is seen, only the newest stay."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.gan import checkpoints
from arcface_plus.gan.checkpoints import GanState
from arcface_plus.run_directory.checkpoint import Checkpoints
from data_prep.errors import DataError


def state(step: int, run_id: str = "a") -> GanState:
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"params": [0]}]}
    weights = {"w": torch.arange(3.0) * step}
    return GanState(step, 1.5, run_id, "digest", weights, weights, {}, optimizer, optimizer)


def test_what_was_saved_is_loaded(tmp_path):
    made = Checkpoints(tmp_path, keep=2)
    folder = checkpoints.save(made, state(7))
    found = checkpoints.load(folder)
    assert (found.step, found.run_id, found.data_digest) == (7, "a", "digest")
    assert found.elapsed_seconds == 1.5
    assert torch.equal(found.generator["w"], torch.arange(3.0) * 7)
    assert found.generator_optimizer["param_groups"] == [{"params": [0]}]


def test_the_newest_stay_and_leftovers_go(tmp_path):
    made = Checkpoints(tmp_path, keep=2)
    (tmp_path / "checkpoints/.step_00000001.partial").mkdir(parents=True)
    for step in (1, 2, 3):
        checkpoints.save(made, state(step))
    assert sorted(p.name for p in made.folder.iterdir()) == ["step_00000002", "step_00000003"]


def test_an_intact_checkpoint_of_the_run_stays_and_others_are_replaced(tmp_path):
    made = Checkpoints(tmp_path, keep=2)
    folder = checkpoints.save(made, state(3))
    written = (folder / "training.pt").stat()
    checkpoints.save(made, state(3))
    assert (folder / "training.pt").stat().st_ino == written.st_ino
    checkpoints.save(made, state(3, run_id="b"))
    assert checkpoints.load(folder).run_id == "b"
    (folder / "training.pt").write_bytes(b"half")
    checkpoints.save(made, state(3, run_id="b"))
    assert checkpoints.load(folder).run_id == "b"


def test_damage_is_named(tmp_path):
    folder = checkpoints.save(Checkpoints(tmp_path, keep=2), state(3))
    file = folder / "training.pt"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"training\.pt: damaged.*move .* away to continue"):
        checkpoints.load(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match="not a checkpoint of a GAN"):
        checkpoints.load(folder)


def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    made = Checkpoints(tmp_path, keep=1)
    checkpoints.save(made, state(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_manifest", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(made, state(2))
    assert [p.name for p in made.folder.iterdir()] == ["step_00000001"]
