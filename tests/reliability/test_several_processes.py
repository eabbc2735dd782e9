"""Two processes of one run: what happens to one ends the other, and the user reads one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher import Launched, launched
from runs import assert_same_bits, lines
from tiny_run import set_words, wait_for_step

from arcface_plus.data.order import batch_indices
from arcface_plus.run_directory.lock import locked
from data_prep.recordio import RecordReader
from data_prep.training_set import TrainingSetWriter, read_index

ROOT = Path(__file__).parents[2]
ENDED_BY_LAUNCHER = 128 + signal.SIGTERM
"""It ends all processes after one has failed, maybe before they have found out."""


@pytest.fixture
def train(synthetic, tmp_path) -> Callable[..., list[str]]:
    """Makes the words of a command that trains in a run directory."""

    def words(run: Path, *more: str) -> list[str]:
        return ["train", "demo_arcface_plus", "--out", str(run),
                *set_words(f"data.train={synthetic}", *more)]  # fmt: skip

    return words


def run_to_end(words: list[str], folder: Path, count: int = 2) -> str:
    with launched(words, count, folder) as started:
        assert started.statuses() == [0] * count, started.said()
        return started.said()


def steps_of(run: Path) -> list[int]:
    return [int(path.name.removeprefix("step_")) for path in (run / "checkpoints").iterdir()]


@pytest.mark.slow
def test_a_signal_to_one_process_saves_all_and_the_run_goes_on_as_if_nothing_were(train, tmp_path):
    run = tmp_path / "run"
    with launched(train(run), 2, tmp_path / "first") as started:
        wait_for_step(run, 5)
        started.kill(1, signal.SIGUSR1)
        assert started.statuses() == [128 + signal.SIGUSR1] * 2
        said = started.verdict()
    marker = json.loads((run / "interrupted.json").read_text())
    step = marker["step"]
    assert said.startswith(f"interrupted at step {step} of 100000, saved in ")
    assert marker["signal"] == "SIGUSR1"
    assert max(steps_of(run)) == step >= 5
    end = f"optimizer.steps={step + 3}"
    run_to_end(train(run, end), tmp_path / "second")
    run_to_end(train(tmp_path / "whole", end), tmp_path / "third")
    assert not (run / "interrupted.json").exists()
    last = f"checkpoints/step_{step + 3:08d}"
    assert_same_bits(run / last, tmp_path / "whole" / last)
    assert [line["step"] for line in lines(run)] == list(range(1, step + 4))


@pytest.mark.slow
def test_every_regularizer_over_two_processes_goes_on_in_one(train, tmp_path):
    """What depends on weights, labels, seed and step alone is the same after that."""
    terms = (
        "regularizer=[{name: mma, weight: 0.3, layers: all},"
        "{name: mhe, weight: 0.5, pairs: batch},"
        "{name: mhe, weight: 0.5, subset: 0.6, half_space: true},"
        "{name: orthogonal, weight: 0.01, layers: all}, {name: orthonormal, weight: 0.01}]"
    )
    together, alone = tmp_path / "together", tmp_path / "alone"
    settings = ("model.classifier=sharded", "optimizer.lr=0.05", terms)
    said = run_to_end(train(together, *settings, "optimizer.steps=4"), tmp_path / "first")
    assert "class weights sharded over 2 processes" in said
    shutil.copytree(together, alone)
    run_to_end(train(together, *settings, "optimizer.steps=5"), tmp_path / "second")
    run_to_end(train(alone, *settings, "optimizer.steps=5"), tmp_path / "third", 1)
    last, ours = lines(together)[-1], lines(alone)[-1]
    assert last["step"] == ours["step"] == 5
    for label in ("mma", "mhe", "mhe_2", "orthogonal", "orthonormal"):
        value = f"loss_regularizer.{label}"
        assert last[value] == pytest.approx(ours[value], rel=1e-5)
        assert min(line[f"regularizer_gradient_ratio.{label}"] for line in (last, ours)) > 0


def test_a_record_that_one_process_cannot_read_saves_the_run(train, synthetic, tmp_path):
    reader = RecordReader(synthetic / "train.rec")
    index = read_index(reader)
    broken = int(batch_indices(0, 2, 8, len(index.keys))[-1])  # process 1's, in the third step
    with TrainingSetWriter(tmp_path / "data") as writer:
        for number, key in enumerate(index.keys):
            image = b"no image" if number == broken else reader[int(key)].image
            writer.add(int(index.labels[number]), image)
    run, where = tmp_path / "run", f"data.train={tmp_path / 'data'}"
    words = train(run, where, f"eval.data={synthetic}")
    with launched(words, 2, tmp_path / "said") as started:
        assert sorted(started.statuses()) in ([1, 2], [2, ENDED_BY_LAUNCHER])
        assert f"record {broken + 1} " in started.verdict()
    assert steps_of(run) == [2]


def ends(started: Launched, run: Path, harm: Callable[[], None]) -> tuple[list[int], str]:
    wait_for_step(run, 2)
    harm()
    return started.statuses(), started.verdict()


def test_a_killed_process_ends_the_other(train, tmp_path):
    run = tmp_path / "run"
    with launched(train(run), 2, tmp_path / "said") as started:
        found, said = ends(started, run, lambda: started.kill(1, signal.SIGKILL))
    assert found in ([1, -signal.SIGKILL], [ENDED_BY_LAUNCHER, -signal.SIGKILL])
    # The launcher may tell the other one before that meets the broken connection.
    told = ENDED_BY_LAUNCHER in found and said == "stopped by SIGTERM"
    lost = "process 1 has ended or does not answer; the last checkpoint stays"
    assert told or said.startswith(lost)


def test_a_process_that_stands_still_ends_the_other_after_the_set_time(train, tmp_path):
    run = tmp_path / "run"
    words = train(run, "runtime.timeout_seconds=4")
    with launched(words, 2, tmp_path / "said") as started:
        wait_for_step(run, 2)
        stopped = started.pid(0)
        os.kill(stopped, signal.SIGSTOP)
        while not started.said().count("arcface-plus: "):
            time.sleep(0.1)
        os.kill(stopped, signal.SIGKILL)
        assert started.statuses()[0] == -signal.SIGKILL
        assert started.verdict().startswith("process 0 has ended or does not answer")


@pytest.mark.parametrize("problem", ["missing data", "directory in use"])
def test_what_is_wrong_from_the_start_is_said_once(train, tmp_path, problem):
    run = tmp_path / "run"
    run.mkdir()
    if problem == "missing data":
        with launched(train(run, "data.train=gone"), 2, tmp_path / "said") as started:
            assert started.statuses() == [2, 2]
            assert started.verdict() == "gone: no such file or folder"
        return
    with locked(run), launched(train(run), 2, tmp_path / "said") as started:
        assert started.statuses() in ([2, 1], [2, ENDED_BY_LAUNCHER])
        assert f"another run is using it (process {os.getpid()} on" in started.verdict()


@pytest.mark.slow
def test_torchrun_restarts_a_run_whose_process_was_killed(train, tmp_path):
    """The real thing, once: the bits are those of a run that nothing happened to."""
    run, end = tmp_path / "run", "optimizer.steps=60"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command = [*torchrun, "--max-restarts=1", "-m", "arcface_plus", *train(run, end)]
    with open(tmp_path / "said", "w+") as said:
        process = subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=said, stderr=said
        )
        try:
            wait_for_step(run, 6)
            os.kill(_worker(process.pid, rank=1), signal.SIGKILL)
            assert process.wait(200) == 0, Path(said.name).read_text()
        finally:
            process.kill()
    told = Path(said.name).read_text()
    assert told.count("demo_arcface_plus: resumes at step ") == 1
    assert told.count("arcface-plus: process 1 has ended or does not answer") <= 1
    run_to_end(train(tmp_path / "whole", end), tmp_path / "whole_said")
    assert_same_bits(
        run / "checkpoints/step_00000060", tmp_path / "whole/checkpoints/step_00000060"
    )
    assert [line["step"] for line in lines(run)] == list(range(1, 61))


def _worker(torchrun: int, rank: int) -> int:
    """The process number of a rank, from the environments of torchrun's children."""
    for process in Path(f"/proc/{torchrun}/task/{torchrun}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
            return int(process)
    raise AssertionError(f"no process {rank}")
