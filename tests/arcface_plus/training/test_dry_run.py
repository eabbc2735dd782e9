"""`train --dry-run` describes the run, finds its errors, and writes nothing."""

from __future__ import annotations

import os

import pytest

from arcface_plus.config.tree import load
from arcface_plus.run_directory.lock import locked
from arcface_plus.training.dry_run import rehearse
from arcface_plus.training.run import execute
from data_prep.errors import UserError


@pytest.fixture(scope="module")
def settings(synthetic) -> list[str]:
    return [
        f"data.train={synthetic}", "data.batch_size=8", "optimizer.steps=2", "logging.every=1",
        "model.backbone={name: tiny, width: 0.25}", "model.embedding_dim=8", "eval.targets=[]",
        "data.cache=memory",
    ]  # fmt: skip


def everything(folder) -> list:
    return sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))


def test_a_new_run(settings, tmp_path, synthetic):
    before = everything(synthetic)
    told = "\n".join(rehearse(load("smoke", settings), tmp_path / "run", fresh=False))
    assert "would train" in told
    assert "batch 8" in told
    assert "from the first step" in told
    assert "evaluation on none" in told
    assert list(tmp_path.iterdir()) == []
    assert everything(synthetic) == before


def test_the_first_steps_loss_is_the_runs(settings, tmp_path):
    """The dry run uses the run's own batch and weights, and so finds the same loss."""
    from runs import lines

    config = load("smoke", settings)
    told = rehearse(config, tmp_path / "run", fresh=False)[-1]
    execute(config, tmp_path / "run")
    assert f"first step: loss {lines(tmp_path / 'run')[0]['loss']:.3f}" in told


def test_an_existing_run(settings, tmp_path):
    run = tmp_path / "run"
    execute(load("smoke", settings), run)
    before = everything(run)
    longer = load("smoke", [*settings, "optimizer.steps=4"])
    assert "resumed at step 2" in rehearse(longer, run, fresh=False)[1]
    assert "would be discarded" in rehearse(longer, run, fresh=True)[1]
    assert "finished at step 2" in rehearse(load("smoke", settings), run, fresh=False)[0]
    with pytest.raises(UserError, match="another configuration"):
        rehearse(load("smoke", [*settings, "head.margin=0.4"]), run, fresh=False)
    assert everything(run) == before


def test_errors_of_a_run_are_found_by_the_dry_run(settings, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("x")
    with pytest.raises(UserError, match="not empty and not a run"):
        rehearse(load("smoke", settings), tmp_path / "mine", fresh=False)
    with pytest.raises(UserError, match="no such pair file"):
        rehearse(load("smoke", [*settings, "eval.targets=[lfw]"]), tmp_path / "run", fresh=False)


def test_a_directory_in_use_can_be_rehearsed_but_not_run(settings, tmp_path):
    run, config = tmp_path / "run", load("smoke", settings)
    run.mkdir()
    with locked(run):
        with pytest.raises(UserError, match=rf"another run is using it \(process {os.getpid()} on"):
            execute(config, run)
        assert "would train" in rehearse(config, run, fresh=False)[0]
    assert list(run.iterdir()) == []
