"""A line for each run where there is no terminal; the time left from the steps made so far."""

from __future__ import annotations

import json

import pytest
from studies import planned

from arcface_plus.studies import progress as module
from arcface_plus.studies.job import Job
from arcface_plus.studies.progress import StudyProgress
from arcface_plus.studies.scheduler import Failure


@pytest.fixture
def jobs(tmp_path) -> list[Job]:
    return [Job(run, tmp_path) for run in planned(tmp_path, "optimizer.steps=100").runs]


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(module, "say", lambda line, style=None: said.append(line))
    return said


def test_a_line_for_each_run(jobs, lines, monkeypatch):
    clock = iter([0.0, 1.0, 600.0, 700.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with StudyProgress(jobs, 2, {job.name: 0 for job in jobs} | {jobs[1].name: 50}) as progress:
        progress.started(jobs[0])
        progress.started(jobs[1])
        jobs[1].run.mkdir(parents=True)
        (jobs[1].run / "metrics.jsonl").write_text(json.dumps({"step": 75}) + "\n")
        progress.running(jobs[:2])
        progress.ended(jobs[0], None)
        progress.ended(jobs[1], Failure(jobs[1].name, 3, "the loss is NaN"))
    assert lines == [
        f"plain/seed_0: starts; log: {jobs[0].log}",
        f"mma/seed_0: resumes at step 50; log: {jobs[1].log}",
        "plain/seed_0: finished (3 of 6; about 18 min left)",  # 125 steps in 10 min, 225 to go
        "mma/seed_0: failed: the loss is NaN",
    ]


def test_a_terminal_sees_the_steps_of_the_running_ones(jobs, lines, monkeypatch):
    monkeypatch.setattr(type(module.console), "is_terminal", True)
    monkeypatch.setattr(module, "REFRESH", 0.0)
    progress = StudyProgress(jobs, 0, {job.name: 0 for job in jobs})
    jobs[2].run.mkdir(parents=True)
    (jobs[2].run / "metrics.jsonl").write_text(json.dumps({"step": 30}) + "\n")
    progress.ended(jobs[0], None)
    progress.running(jobs[2:3])
    (task,) = progress._bar.tasks
    assert (task.completed, task.total) == (130, 400)
    assert task.fields["note"] == "run 2 of 4: plain/seed_1"
