"""Whole runs on a GPU learn, with every setting, without synchronization, and resume exactly."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from arcface_plus.config.tree import RunConfig, load, shipped
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.run_directory.model_file import load_weights
from arcface_plus.run_directory.training_state import load_training
from arcface_plus.training.run import execute
from arcface_plus.training.trainer import Trainer


@pytest.fixture
def settings(synthetic: Path, device: torch.device) -> list[str]:
    """48 generated faces of 6 people, and everything else of the paper's recipe but its length."""
    return [
        f"data.train={synthetic}",
        "data.batch_size=24",
        "data.threads=2",
        "model.dropout=0.0",
        "optimizer.lr=0.02",
        f"runtime.device={device.type}",
        "eval.targets=[]",
        "eval.every=1000",
        "checkpoint.every=1000",
        "logging.every=1",
        # A rehearsal on a CPU takes what a CPU can do in seconds.
        "model.backbone={name: tiny}" if device.type == "cpu" else "model.backbone={name: r18}",
    ]


def config(settings: list[str], *more: str) -> RunConfig:
    return load(shipped("casia_r50_arcface_plus.yaml"), [*settings, *more])


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss_margin"] for line in lines(run)]


@pytest.mark.parametrize("backbone", ["r18", "r50"])
def test_thirty_steps_of_the_default_settings_learn(settings, tmp_path, backbone, device):
    chosen = [] if device.type == "cpu" else [f"model.backbone={{name: {backbone}}}"]
    execute(config(settings, *chosen, "optimizer.steps=30"), tmp_path / "run")
    seen = losses(tmp_path / "run")
    assert all(math.isfinite(loss) for loss in seen)
    assert sum(seen[-5:]) < 0.7 * sum(seen[:5])


@pytest.mark.parametrize(
    "other",
    ["runtime.compile=false", "runtime.channels_last=false", "data.micro_batch_size=24",
     "data.cache=device"],
)  # fmt: skip
def test_settings_of_speed_do_not_change_the_losses(settings, tmp_path, other):
    """Three steps in bf16: later, rounding differences grow."""
    short = ["optimizer.steps=3", "optimizer.lr=0.005"]
    execute(config(settings, *short), tmp_path / "one")
    execute(config(settings, *short, other), tmp_path / "other")
    assert losses(tmp_path / "other") == pytest.approx(losses(tmp_path / "one"), rel=5e-2)


def test_fp16_with_its_scaler_learns(settings, tmp_path, device):
    precision = "runtime.precision=" + ("fp16" if device.type == "cuda" else "fp32")
    steps = ["optimizer.steps=30", "runtime.compile=false"]
    execute(config(settings, precision, *steps), tmp_path / "run")
    seen = losses(tmp_path / "run")
    assert sum(seen[-5:]) < 0.7 * sum(seen[:5])
    if device.type == "cuda":
        assert lines(tmp_path / "run")[-1]["loss_scale"] >= 1


def regularized(mode: str) -> str:
    """MMA whose every way to search comes to pass within a few steps of six classes.

    With two candidates a row a resumed run that forgot them would choose others, and within a
    thousandth of a degree the cached ones are old at once.
    """
    search = f"mode: {mode}, candidates: 2, max_drift: 0.001, rolling_steps: 3"
    return f"regularizer={{name: mma, weight: 1.0, {search}}}"


@pytest.mark.parametrize(
    ("precision", "cache", "mode"),
    [
        *itertools.product(["bf16", "fp16"], ["none", "device"], ["exact"]),
        ("bf16", "device", "cached"),
        ("bf16", "device", "rolling"),
    ],
)
def test_nothing_waits_for_the_gpu_between_logged_steps(
    gpu, settings, tmp_path, monkeypatch, precision, cache, mode
):
    """From the third step on, in the update and in fetching its batch."""
    update, batches = Trainer._update, Trainer._batches

    def watched_update(self, batch, measure):
        with forbidden_to_wait(self.step >= 2 and not measure):
            return update(self, batch, measure)

    def watched_batches(self):
        fetch = batches(self)
        while True:
            try:
                with forbidden_to_wait(self.step >= 2):
                    batch = next(fetch)
            except StopIteration:
                return
            yield batch

    monkeypatch.setattr(Trainer, "_update", watched_update)
    monkeypatch.setattr(Trainer, "_batches", watched_batches)
    more = [f"runtime.precision={precision}", f"data.cache={cache}", "logging.every=6"]
    execute(config(settings, *more, regularized(mode), "optimizer.steps=12"), tmp_path / "run")
    assert len(lines(tmp_path / "run")) == 2
    if mode == "cached":  # at the first step, and at watched ones
        assert lines(tmp_path / "run")[-1]["neighbour_refreshes"] >= 2


@contextmanager
def forbidden_to_wait(forbidden: bool) -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error" if forbidden else "default")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("compiled", "mode"),
    [("auto", "exact"), ("false", "exact"), ("false", "cached"), ("false", "rolling")],
)
def test_a_deterministic_run_resumes_bit_for_bit(settings, tmp_path, compiled, mode):
    """By the command line: cuBLAS looks at its workspace's setting when it starts."""
    settings = [
        *settings, "run.deterministic=true", f"runtime.compile={compiled}", "checkpoint.every=3",
        "model.dropout=0.3", regularized(mode),
    ]  # fmt: skip
    train(tmp_path / "whole", settings, steps=9)
    train(tmp_path / "parts", settings, steps=3)
    train(tmp_path / "parts", settings, steps=9)
    whole, parts = (tmp_path / run / "checkpoints" / "step_00000009" for run in ("whole", "parts"))
    one, other = state(whole), state(parts)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    reports = [[line.get("neighbour_refreshes") for line in lines(tmp_path / run)]
               for run in ("whole", "parts")]  # fmt: skip
    assert reports[0] == reports[1]
    if mode == "cached":
        assert reports[0][-1] >= 2


def train(run: Path, settings: list[str], steps: int) -> None:
    config_file = str(shipped("casia_r50_arcface_plus.yaml"))
    sets = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "arcface_plus", "train", config_file, *sets]
    command += ["--set", f"optimizer.steps={steps}", "--out", str(run)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def state(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor that determines how the run continues."""
    training = load_training(checkpoint)
    tensors = load_weights(checkpoint / "model.safetensors") | read_rows(checkpoint)
    for number, entry in training.optimizer["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in entry.items()}
    return {name: tensor.cpu() for name, tensor in tensors.items()}
