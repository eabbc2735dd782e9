"""Submission through submitit, with its local executor in place of a cluster."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

import pytest
from studies import study_path

from arcface_plus.studies import slurm
from arcface_plus.studies.job import Job
from arcface_plus.studies.plan import load_plan
from arcface_plus.studies.slurm import TrainRun, slurm_parameters, submit
from arcface_plus.studies.state import state_of
from data_prep.errors import UserError


@pytest.fixture
def jobs(tmp_path, tiny_settings):
    file = study_path(tmp_path, base="demo_arcface", set=None, seeds=1, variants={"a": {}})
    return [Job(run, tmp_path / "out") for run in load_plan(file, tiny_settings).runs]


def test_parameters_are_yaml_values():
    assert slurm_parameters(["partition=gpu", "time=720", "setup=[module load cuda]"]) == {
        "partition": "gpu", "time": 720, "setup": ["module load cuda"],
    }  # fmt: skip
    with pytest.raises(UserError, match="--slurm partition: give KEY=VALUE"):
        slurm_parameters(["partition"])


def test_without_submitit_the_extra_is_named(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install arcface-plus\[slurm\]"):
        submit(jobs, tmp_path / "out", {}, None)


def test_what_a_job_calls_trains_the_run_and_resumes_it(jobs, tmp_path):
    (job,) = jobs
    job.prepare()
    for _ in range(2):  # a second time it is finished already
        TrainRun()(str(job.config_file), str(job.run))
        assert state_of(tmp_path / "out", job.planned).kind == "finished"


def test_a_job_that_must_end_is_submitted_again():
    pytest.importorskip("submitit", reason="needs `pip install arcface-plus[slurm]`")
    again = TrainRun().checkpoint("config.yaml", "run")
    assert isinstance(again.function, TrainRun)
    assert again.args == ("config.yaml", "run")


def test_mistakes_in_the_parameters_are_told(jobs, tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs `pip install arcface-plus[slurm]`")
    with pytest.raises(UserError, match=r"submitit: .*partitionn"):
        submit(jobs, tmp_path / "out", {"partitionn": "gpu"}, 4, cluster="local")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"submitit: .*srun"):
        submit(jobs, tmp_path / "out", {}, None)


def test_slurm_gets_one_array(jobs, tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs `pip install arcface-plus[slurm]`")
    script = tmp_path / "submitted.sh"
    for name, text in {
        "sbatch": f'cp "$1" {script}; echo Submitted batch job 42',
        "srun": "",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    other = Job(replace(jobs[0].planned, seed=1), jobs[0].folder)
    assert submit([*jobs, other], tmp_path / "out", {"partition": "gpu", "time": 60}, 2) == [
        "42_0", "42_1",
    ]  # fmt: skip
    text = script.read_text()
    for line in ("--array=0-1%2", "--partition=gpu", "--time=60", "--job-name=out"):
        assert f"#SBATCH {line}\n" in text
    assert other.config_file.is_file()


@pytest.mark.slow
def test_submitted_jobs_train_their_runs(jobs, tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs `pip install arcface-plus[slurm]`")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    ids = submit(jobs, tmp_path / "out", {"partition": "gpu"}, 2, cluster="local")
    assert len(ids) == len(jobs)
    deadline = time.monotonic() + 200
    while state_of(tmp_path / "out", jobs[0].planned).kind != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.2)
