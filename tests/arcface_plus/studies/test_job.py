"""A run as a process: its share of the machine, and its last words."""

from __future__ import annotations

import os
import sys

import pytest
from studies import planned

from arcface_plus.config.tree import load
from arcface_plus.studies.job import Job, shared_out, train_command, visible_gpus


@pytest.fixture
def job(tmp_path) -> Job:
    return Job(planned(tmp_path).runs[1], tmp_path / "out")


def test_the_config_is_written_and_the_output_appended(job):
    words = [sys.executable, "-c", "import os; print('share', os.environ['SHARE'])"]
    for share in ("one", "two"):
        assert job.start({"SHARE": share}, lambda config, run: words).wait() == 0
    assert job.log.read_text() == "share one\nshare two\n"
    assert load(job.config_file) == job.planned.config
    assert not job.run.exists()  # `train` makes it: it refuses a folder that is not a run


def test_the_command_trains_the_config_into_the_run(job):
    command = train_command(job.config_file, job.run)
    assert command[1:] == ["-m", "arcface_plus", "train", str(job.config_file), "--out",
                           str(job.run)]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "log", "reason"),
    [
        (2, "step 1\narcface-plus: lfw.bin: no such file\nbye\n", "lfw.bin: no such file"),
        (1, "step 1\nSegmentation fault\n", "exit status 1 (Segmentation fault); its output: "),
        (1, "", "exit status 1; its output: "),
        (-9, "step 1\n", "ended by signal 9; its output: "),
    ],
)
def test_the_reason_is_the_last_line_that_says_one(job, status, log, reason):
    job.prepare()
    job.log.write_text(log)
    assert job.reason(status).startswith(reason)


def test_cores_and_gpus_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "OMP_NUM_THREADS" not in shared_out(1, 0, [])
    shared = [shared_out(3, slot, ["4", "6"]) for slot in range(3)]
    assert {each["OMP_NUM_THREADS"] for each in shared} == {"2"}
    assert {each["OMP_WAIT_POLICY"] for each in shared} == {"PASSIVE"}
    assert [each["CUDA_VISIBLE_DEVICES"] for each in shared] == ["4", "6", "4"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert shared_out(2, 0, [])["OMP_NUM_THREADS"] == "5"
    assert "CUDA_VISIBLE_DEVICES" not in shared_out(2, 0, ["0"])


def test_gpus_are_named_as_the_user_restricted_them(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b")
    assert visible_gpus() == ["GPU-a", "GPU-b"]
