"""Runs that start with the weights of another run of their study."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from runs import state
from studies import finish, planned

from arcface_plus.studies.execution import ready, run_study, unfinished_jobs
from arcface_plus.studies.starts import located
from arcface_plus.studies.state import state_of
from data_prep.errors import UserError

VARIANTS = {"first": {}, "tuned": {"start_from": "first"}}


def begun(folder: Path, planned_run) -> None:
    """As a run that has a checkpoint."""
    finish(folder, planned_run, 0.9)
    (folder / planned_run.folder / "summary.json").unlink()
    (folder / planned_run.folder / "checkpoints" / "step_00000010").mkdir(parents=True)


def test_the_place_is_in_the_studys_folder(tmp_path):
    first, tuned = planned(tmp_path, variants=VARIANTS, seeds=1).runs
    assert located(tmp_path, first) == first.config
    assert located(tmp_path, tuned).model.init == str(tmp_path / "runs/first/seed_0")


def test_a_study_that_was_moved_is_continued(tmp_path):
    _, tuned = planned(tmp_path, variants=VARIANTS, seeds=1).runs
    begun(tmp_path / "old", tuned)
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert str(state_of(tmp_path / "new", tuned)) == "partly, step 10"


def test_a_run_that_was_started_from_another_variant_is_refused(tmp_path):
    variants = {"other": {"set": {"head.margin": 0.1}}, **VARIANTS}
    *_, tuned = planned(tmp_path, variants=variants, seeds=1).runs
    begun(tmp_path, tuned)
    variants["tuned"] = {"start_from": "other"}
    *_, tuned = planned(tmp_path, variants=variants, seeds=1).runs
    assert state_of(tmp_path, tuned).kind == "refused"
    assert "model.init" in state_of(tmp_path, tuned).complaint


def test_only_must_choose_the_start_too_unless_it_is_finished(tmp_path):
    plan = planned(tmp_path, variants=VARIANTS, seeds=1)
    first, tuned = plan.runs
    with pytest.raises(UserError, match="tuned/seed_0 starts from first/seed_0: not finished, and"):
        unfinished_jobs([tuned], tmp_path)
    jobs, *_ = unfinished_jobs([first, tuned], tmp_path)
    assert [job.name for job in ready(jobs)] == ["first/seed_0"]
    finish(tmp_path, first, 0.9)
    jobs, *_ = unfinished_jobs([tuned], tmp_path)
    assert [job.name for job in ready(jobs)] == ["tuned/seed_0"]


def test_a_run_that_has_begun_no_longer_needs_its_start(tmp_path):
    _, tuned = planned(tmp_path, variants=VARIANTS, seeds=1).runs
    begun(tmp_path, tuned)
    jobs, steps, _ = unfinished_jobs([tuned], tmp_path)
    assert [job.name for job in jobs] == ["tuned/seed_0"]
    assert steps == {"tuned/seed_0": 10}


@pytest.mark.slow
def test_a_study_fine_tunes_its_own_runs(tmp_path, synthetic):
    """Whole, with processes: the second begins with the classes and backbone of the first."""
    small = {"optimizer.steps": 2, "checkpoint.every": 2, "eval.every": 2,
             "data.batch_size": 8, "model.embedding_dim": 8,
             "model.backbone": {"name": "tiny", "width": 0.25}}  # fmt: skip
    nothing = {"optimizer.lr": 1e-20, "regularizer": {"name": "mhe", "weight": 1.0}}
    variants = {"first": {}, "tuned": {"start_from": "first", "set": nothing}}
    plan = planned(
        tmp_path, f"data.train={synthetic}", "runtime.device=cpu", set=small, variants=variants,
        seeds=1,
    )  # fmt: skip
    folder = tmp_path / "out"
    assert run_study(plan, folder, None, 2) == []
    first, tuned = (state(folder / run.folder / "checkpoints/step_00000002") for run in plan.runs)
    for name in ("classifier.weight", "fc.weight"):
        assert first[name].equal(tuned[name])
    log = (folder / "logs/tuned/seed_0.log").read_text()
    assert "seed_0/checkpoints/step_00000002: backbone, class weights" in log
    assert yaml.safe_load((folder / plan.runs[1].folder / "config.yaml").read_text())["model"][
        "init"
    ] == str(folder / "runs/first/seed_0")
