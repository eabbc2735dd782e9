"""Runs side by side, with small programs in place of training."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from studies import planned

from arcface_plus.studies.job import Job
from arcface_plus.studies.scheduler import run_side_by_side

SLEEPER = """
import pathlib, signal, sys, time
def stop(number, frame):
    time.sleep(0.6 if 'mma' in sys.argv[1] else 0)
    pathlib.Path(sys.argv[1] + '.saved').touch()
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
pathlib.Path(sys.argv[1] + '.ready').touch()
time.sleep(15)
"""


class Watcher:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.most = 0

    def started(self, job):
        self.lines.append(f"start {job.name}")

    def running(self, jobs):
        self.most = max(self.most, len(jobs))

    def ended(self, job, failure):
        self.lines.append(f"end {job.name}{' failed' if failure else ''}")


@pytest.fixture
def jobs(tmp_path) -> list[Job]:
    return [Job(run, tmp_path) for run in planned(tmp_path).runs]


def run(jobs, slots, program):
    watcher = Watcher()
    outcome = run_side_by_side(
        jobs, slots, lambda slot: {**os.environ, "SLOT": str(slot)}, watcher,
        lambda config, run: [sys.executable, "-c", program, str(config)],
    )  # fmt: skip
    return outcome, watcher


def test_one_at_a_time_in_order(jobs):
    outcome, watcher = run(jobs, 1, "")
    assert outcome.failures == ()
    assert outcome.stopped_by is None
    assert watcher.lines == [f"{word} {job.name}" for job in jobs for word in ("start", "end")]


def test_two_at_a_time_in_their_slots(jobs):
    _, watcher = run(jobs, 2, "import os, time; print(os.environ['SLOT']); time.sleep(0.3)")
    assert watcher.most == 2
    assert {job.log.read_text() for job in jobs} == {"0\n", "1\n"}


def test_a_failure_does_not_stop_the_others(jobs):
    program = (
        "import sys; name = sys.argv[1]\n"
        "if 'mma/seed_0' in name: print('arcface-plus: no such file'); sys.exit(2)\n"
        "if 'mma/seed_1' in name: print('arcface-plus: the loss is NaN'); sys.exit(3)\n"
    )
    outcome, watcher = run(jobs, 2, program)
    assert {(f.name, f.status, f.reason, f.diverged) for f in outcome.failures} == {
        ("mma/seed_0", 2, "no such file", False),
        ("mma/seed_1", 3, "the loss is NaN", True),
    }
    assert sum(line.startswith("end") for line in watcher.lines) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_runs_save_and_starts_nothing_new(jobs, number):
    def stop_when_both_run():
        ready = [Path(f"{job.config_file}.ready") for job in jobs[:2]]
        while not all(file.exists() for file in ready):
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop_when_both_run)
    thread.start()
    outcome, watcher = run(jobs, 2, SLEEPER)
    thread.join()
    assert (outcome.stopped_by, outcome.failures) == (number, ())
    assert watcher.lines == [f"start {job.name}" for job in jobs[:2]]
    assert all(Path(f"{job.config_file}.saved").exists() for job in jobs[:2])


def test_no_run_is_left_behind_by_an_error(jobs):
    class Broken(Watcher):
        def running(self, jobs):
            if all(Path(f"{job.config_file}.ready").exists() for job in jobs):
                raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_side_by_side(
            jobs, 2, lambda slot: os.environ, Broken(),
            lambda config, run: [sys.executable, "-c", SLEEPER, str(config)],
        )  # fmt: skip
    assert all(Path(f"{job.config_file}.saved").exists() for job in jobs[:2])


FINE_TUNED = {"b": {"start_from": "a"}, "a": {}}


def test_a_run_waits_for_the_one_it_starts_from(tmp_path):
    jobs = [Job(run, tmp_path) for run in planned(tmp_path, variants=FINE_TUNED, seeds=2).runs]
    program = """
import pathlib, sys, time
own = pathlib.Path(sys.argv[1])
if own.parent.name == 'b':
    assert (own.parents[1] / 'a' / own.name).with_suffix('.done').exists()
time.sleep(0.3)
own.with_suffix('.done').touch()
"""
    outcome, watcher = run(jobs, 3, program)
    assert outcome.failures == ()
    assert watcher.lines[:2] == ["start a/seed_0", "start a/seed_1"]
    assert watcher.most == 2


def test_runs_whose_start_has_failed_are_not_begun(tmp_path):
    chain = {"c": {"start_from": "b"}, **FINE_TUNED}
    jobs = [Job(run, tmp_path) for run in planned(tmp_path, variants=chain, seeds=2).runs]
    outcome, watcher = run(jobs, 2, "import sys; sys.exit(3 * ('a/seed_0' in sys.argv[1]))")
    told = {failure.name: (failure.status, failure.reason) for failure in outcome.failures}
    assert told.keys() == {"a/seed_0", "b/seed_0", "c/seed_0"}
    assert told["b/seed_0"] == (3, "a/seed_0, its start, has failed")
    assert told["c/seed_0"] == (3, "b/seed_0, its start, has failed")
    assert "start b/seed_0" not in watcher.lines
    assert "end c/seed_1" in watcher.lines
