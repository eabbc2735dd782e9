"""What of a study is run: the rest is kept, refused or reported missing before the first run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from studies import finish, planned

from arcface_plus.studies.execution import run_study
from arcface_plus.training.errors import Interrupted
from data_prep.errors import UserError


@pytest.fixture
def data(tmp_path) -> str:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "synth_frontal.bin").touch()
    return f"data.train={tmp_path / 'faces'}"


def mark(program=""):
    """A command that leaves a mark where it ran, then does what `program` says."""
    text = f"import pathlib, sys, time; pathlib.Path(sys.argv[1] + '.ran').touch()\n{program}"
    return lambda config, run: [sys.executable, "-c", text, str(config)]


def ran(folder):
    return sorted(str(p.relative_to(folder / "configs")) for p in folder.rglob("*.ran"))


def test_finished_runs_are_skipped(tmp_path, data):
    plan, folder = planned(tmp_path, data), tmp_path / "out"
    for run in plan.runs[:3]:
        finish(folder, run, 0.9)
    assert run_study(plan, folder, None, 2, mark()) == []
    assert ran(folder) == ["mma/seed_1.yaml.ran"]


def test_a_finished_study_needs_no_data(tmp_path):
    plan, folder = planned(tmp_path, "data.train=gone"), tmp_path / "out"
    for run in plan.runs:
        finish(folder, run, 0.9)
    assert run_study(plan, folder, None, 1, mark()) == []


def test_only_some_are_run(tmp_path, data):
    run_study(planned(tmp_path, data), tmp_path / "out", "mma/*", 1, mark())
    assert ran(tmp_path / "out") == ["mma/seed_0.yaml.ran", "mma/seed_1.yaml.ran"]


def test_nothing_is_written_when_data_are_missing(tmp_path):
    with pytest.raises(UserError, match=r"lacks data: training data: gone \(missing\); pairs: "):
        run_study(planned(tmp_path, "data.train=gone"), tmp_path / "out", None, 1, mark())
    assert not (tmp_path / "out").exists()


def test_every_run_of_another_config_is_refused_before_the_first(tmp_path, data):
    plan, folder = planned(tmp_path, data), tmp_path / "out"
    for run in planned(tmp_path, data, "optimizer.lr=0.5").runs[2:]:
        finish(folder, run, 0.9)
    with pytest.raises(UserError, match=r"plain/seed_1: holds.*mma/seed_1: holds") as caught:
        run_study(plan, folder, None, 1, mark())
    assert "\n" not in str(caught.value)
    assert ran(folder) == []


def test_failures_are_returned(tmp_path, data):
    fails = mark("if 'plain' in sys.argv[1]: sys.exit('arcface-plus: broken')")
    failures = run_study(planned(tmp_path, data), tmp_path / "out", None, 2, fails)
    assert {(failure.name, failure.reason) for failure in failures} == {
        ("plain/seed_0", "broken"), ("plain/seed_1", "broken"),
    }  # fmt: skip


@pytest.mark.parametrize(("device", "named"), [("auto", {"4", "6"}), ("cuda:1", {"4,6"})])
def test_gpus_are_shared_out_unless_the_config_names_one(
    tmp_path, data, monkeypatch, device, named
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    plan = planned(tmp_path, data, f"runtime.device={device}")
    tell = mark("import os; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(0.3)")
    run_study(plan, tmp_path / "out", None, 2, tell)
    assert {log.read_text().strip() for log in tmp_path.rglob("*.log")} == named


def test_a_signal_ends_the_study_with_it(tmp_path, data):
    def stop_once_it_runs():
        while not ran(tmp_path / "out"):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_once_it_runs)
    thread.start()
    with pytest.raises(Interrupted, match="the same command continues the study") as caught:
        run_study(planned(tmp_path, data), tmp_path / "out", None, 1, mark("time.sleep(60)"))
    thread.join()
    assert caught.value.signal_number == signal.SIGTERM
    assert len(ran(tmp_path / "out")) == 1
