"""What is there of a run, what must not be touched, and which data are missing."""

from __future__ import annotations

import json

import pytest
from studies import finish, planned

from arcface_plus.studies.state import check_needs, logged_step, needs, state_of
from data_prep.errors import UserError


def test_new_partly_and_finished_runs(tmp_path):
    run = planned(tmp_path).runs[0]
    assert str(state_of(tmp_path, run)) == "new"
    finish(tmp_path, run, 0.9)
    assert str(state_of(tmp_path, run)) == "finished"
    (tmp_path / run.folder / "summary.json").unlink()
    (tmp_path / run.folder / "checkpoints" / "step_00000010").mkdir(parents=True)
    assert str(state_of(tmp_path, run)) == "partly, step 10"
    assert not list((tmp_path / run.folder).glob(".*"))


def test_runs_of_another_config_are_refused_by_name(tmp_path):
    finish(tmp_path, planned(tmp_path).runs[0], 0.9)
    other = planned(tmp_path, set={"data.train": "DATA", "optimizer.lr": 0.5}).runs[0]
    state = state_of(tmp_path, other)
    assert state.kind == "refused"
    assert "plain/seed_0: holds a run of another configuration (optimizer.lr 0.05 → 0.5)" in (
        state.complaint
    )
    assert "--fresh" not in state.complaint


def test_a_run_beyond_the_end_is_refused(tmp_path):
    run = planned(tmp_path).runs[0]
    finish(tmp_path, run, 0.9)
    (tmp_path / run.folder / "checkpoints" / "step_00000020").mkdir(parents=True)
    assert state_of(tmp_path, run).kind == "finished"
    shorter = planned(tmp_path, "optimizer.steps=10").runs[0]
    state = state_of(tmp_path, shorter)
    assert state.kind == "refused"
    assert "is at step 20, beyond the study's 10" in state.complaint


def test_the_last_whole_line_of_the_metrics_counts(tmp_path):
    assert logged_step(tmp_path) == 0
    lines = [json.dumps({"step": step}) for step in (5, 10)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 1')
    assert logged_step(tmp_path) == 10


def test_data_are_listed_once_with_what_is_missing(tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "synth_frontal.bin").touch()
    there = planned(tmp_path, f"data.train={tmp_path / 'faces'}")
    assert [(need.what, need.there) for need in needs(there.runs)] == [
        ("training data", True), ("pairs", True),
    ]  # fmt: skip
    check_needs(there.runs, "ask X")
    missing = planned(tmp_path, set={"eval.targets": ["synth_frontal", "lfw"]})
    with pytest.raises(
        UserError, match=r"lacks data: training data: not given.*; pairs: synth_.*; ask X$"
    ) as (caught):
        check_needs(missing.runs, "ask X")
    assert "lfw.bin beside the training data" in str(caught.value)
