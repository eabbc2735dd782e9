"""Whole runs on generated faces: what they write, resume bit for bit, how they end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml
from checkpoints import as_schema, vouched
from launcher import launched
from runs import assert_same_bits, configured, lines, state

from arcface_plus.config.tree import load, shipped
from arcface_plus.data.loader import Loader
from arcface_plus.data.order import batch_indices
from arcface_plus.models.activation_checkpointing import checkpoint_activations
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.run_directory.resuming import load_fitting
from arcface_plus.run_directory.sinks import SINKS, RunFacts, Sink
from arcface_plus.run_directory.tensor_file import write_tensors
from arcface_plus.run_directory.training_state import Conditions, load_training
from arcface_plus.training import assembly
from arcface_plus.training.assembly import build_recognizer
from arcface_plus.training.errors import Diverged
from arcface_plus.training.run import execute
from data_prep.errors import DataError, UserError
from data_prep.recordio import RecordReader

CONFIGS = [
    path
    for path in sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))
    if load(path).task == "verification"  # test_classification.py trains the others
]
METRICS = {
    "step", "epoch", "loss", "loss_margin", "loss_regularizer", "accuracy", "lr", "grad_norm",
    "images_per_second", "data_wait_fraction", "min_angle_deg", "mean_min_angle_deg",
    "min_angle_deg_p01", "min_angle_deg_p10", "min_angle_deg_p50", "regularizer_time_fraction",
    "peak_memory_mb",
}  # fmt: skip


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_shipped_config_trains(path, tiny_settings, tmp_path):
    settings = list(tiny_settings)
    if load(path).initial_weights is not None:  # it fine-tunes
        execute(configured(tiny_settings, "eval.targets=[]"), tmp_path / "first")
        settings.append(f"model.init={tmp_path / 'first'}")
    execute(load(path, settings), tmp_path / "run")
    assert lines(tmp_path / "run")[-1]["step"] == 2


def test_a_run_directory_holds_what_the_design_says(tiny_settings, tmp_path):
    run = tmp_path / "run"
    execute(configured(tiny_settings), run)
    assert {p.name for p in run.iterdir()} == {
        "config.yaml", "environment.json", "metrics.jsonl", "tb", "checkpoints",
        "model.safetensors", "model.json", "eval", "nearest_classes.csv", "summary.json",
    }  # fmt: skip
    pairs = (run / "nearest_classes.csv").read_text().splitlines()
    assert pairs[0].startswith("class_a,class_b,angle_deg")
    assert 3 <= len(pairs) - 1 <= 6  # of six classes
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step_00000002"]
    assert set(lines(run)[0]) >= METRICS  # and what the regularizer reports
    verified = json.loads((run / "eval" / "step_00000002.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    mean = verified["targets"]["synth_frontal"]["accuracy"]["mean"]
    assert summary["accuracy"] == {"synth_frontal": mean}
    assert summary["steps"] == 2
    assert json.loads((run / "environment.json").read_text())["seed"] == 0
    assert json.loads((run / "model.json").read_text())["step"] == 2


class Recorder(Sink):
    """What a tracker is told of whole runs, one list a part."""

    parts: ClassVar[list[tuple[RunFacts, list[tuple]]]] = []

    def __init__(self, facts: RunFacts) -> None:
        self._calls: list[tuple] = []
        self.parts.append((facts, self._calls))

    def log(self, step, values) -> None:
        self._calls.append(("log", step))

    def log_angles(self, step, degrees) -> None:
        self._calls.append(("angles", len(degrees)))

    def log_verification(self, step, accuracies) -> None:
        self._calls.append(("verification", step, dict(accuracies)))

    def finish(self, accuracies) -> None:
        self._calls.append(("finish", dict(accuracies)))

    def close(self) -> None:
        self._calls.append(("close",))


def test_a_tracker_is_told_of_the_whole_run_and_of_its_continuation(
    tiny_settings, tmp_path, monkeypatch
):
    monkeypatch.setitem(SINKS, "mlflow", Recorder)
    monkeypatch.setattr(Recorder, "parts", [])
    run = tmp_path / "run"
    execute(configured(tiny_settings, "logging.sinks=[mlflow]"), run)
    execute(configured(tiny_settings, "logging.sinks=[mlflow]", "optimizer.steps=3"), run)
    accuracy = json.loads((run / "summary.json").read_text())["accuracy"]
    (begun, first), (continued, second) = Recorder.parts
    assert first[:4] == [("log", 1), ("angles", 6), ("log", 2), ("angles", 6)]
    assert [call[0] for call in first[4:]] == ["verification", "finish", "close"]
    assert second == [
        ("log", 3), ("angles", 6), ("verification", 3, accuracy), ("finish", accuracy), ("close",),
    ]  # fmt: skip
    assert (begun.first_step, begun.last_logged) == (0, 0)
    assert (continued.first_step, continued.last_logged) == (2, 2)
    assert begun.name == "demo_arcface_plus"
    assert begun.config["optimizer.lr"] == 0.01
    assert (begun.config["optimizer.steps"], continued.config["optimizer.steps"]) == (2, 3)
    assert continued.environment == json.loads((run / "environment.json").read_text())
    assert continued.config_yaml == (run / "config.yaml").read_text()


def test_config_yaml_repeats_the_run(tiny_settings, tmp_path):
    execute(configured(tiny_settings), tmp_path / "a")
    execute(load(tmp_path / "a" / "config.yaml"), tmp_path / "b")
    assert_same_bits(*(tmp_path / r / "checkpoints/step_00000002" for r in "ab"))


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_resume_is_bit_identical(tiny_settings, tmp_path, cache):
    settings = [*tiny_settings, "model.dropout=0.3", f"data.cache={cache}", "checkpoint.every=3"]
    execute(configured(settings, "optimizer.steps=9"), tmp_path / "whole")
    execute(configured(settings, "optimizer.steps=3"), tmp_path / "parts")
    execute(configured(settings, "optimizer.steps=9"), tmp_path / "parts")
    assert_same_bits(*(tmp_path / r / "checkpoints/step_00000009" for r in ("whole", "parts")))
    losses = [[line["loss"] for line in lines(tmp_path / r)] for r in ("whole", "parts")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 9


def test_weight_zero_and_none_are_the_same_bits_and_mma_is_not(tiny_settings, tmp_path):
    settings = [*tiny_settings, "optimizer.steps=4"]
    execute(configured(settings, name="demo_arcface.yaml"), tmp_path / "none")
    execute(configured(settings, "regularizer.weight=0"), tmp_path / "zero")
    execute(configured(settings, "regularizer.weight=0.5"), tmp_path / "mma")
    ends = [tmp_path / r / "checkpoints/step_00000004" for r in ("none", "zero", "mma")]
    assert_same_bits(*ends[:2])
    assert not torch.equal(state(ends[0])["classifier.weight"], state(ends[2])["classifier.weight"])
    assert lines(tmp_path / "mma")[0]["loss_regularizer"] < 0
    angles = [lines(tmp_path / r)[0]["mean_min_angle_deg"] for r in ("none", "mma")]
    assert angles[0] == pytest.approx(angles[1], abs=1e-4)  # both before the first update


def test_old_checkpoints_go_and_metrics_are_not_doubled(tiny_settings, tmp_path):
    run = tmp_path / "run"
    settings = [*tiny_settings, "checkpoint.every=2", "checkpoint.keep=2"]
    execute(configured(settings, "optimizer.steps=6"), run)
    assert [p.name for p in Checkpoints(run, 2).all()] == ["step_00000004", "step_00000006"]
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == [
        "step_00000004", "step_00000006"
    ]  # fmt: skip
    last = run / "checkpoints" / "step_00000006"
    last.rename(run / "checkpoints" / ".gone")
    execute(configured(settings, "optimizer.steps=6"), run)
    assert [line["step"] for line in lines(run)] == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_is_left_alone(tiny_settings, tmp_path):
    run = tmp_path / "run"
    execute(configured(tiny_settings), run)
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()}
    execute(configured(tiny_settings), run)
    assert before == {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()}


def test_another_config_or_other_data_is_refused_unless_fresh(tiny_settings, synthetic, tmp_path):
    run = tmp_path / "run"
    execute(configured(tiny_settings), run)
    other = configured(tiny_settings, "head.margin=0.4")
    with pytest.raises(UserError, match=r"another configuration \(head\.margin 0\.3 → 0\.4\)"):
        execute(other, run)
    with pytest.raises(UserError, match="another configuration"):
        execute(configured(tiny_settings, "model.embedding_dim=24"), run)
    (run / "note.txt").write_text("mine")
    (run / "nearest_classes.csv").write_text("old")
    execute(other, run, fresh=True)
    assert (run / "nearest_classes.csv").read_text() != "old"
    assert (run / "note.txt").read_text() == "mine"
    assert [line["step"] for line in lines(run)] == [1, 2]
    with pytest.raises(UserError, match="was trained on 48 images of 6 classes"):
        load_fitting(run / "checkpoints/step_00000002", Conditions(7, 48, "", "fp32", True))


def test_a_directory_with_something_else_is_never_used(tiny_settings, tmp_path):
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(UserError, match="is not empty and not a run"):
        execute(configured(tiny_settings), tmp_path)
    with pytest.raises(UserError, match="is a file"):
        execute(configured(tiny_settings), tmp_path / "thesis.tex")


def test_a_missing_pair_file_is_reported_before_training(tiny_settings, tmp_path):
    with pytest.raises(UserError, match=r"synth_back\.bin: no such pair file.*synth_age"):
        execute(configured(tiny_settings, "eval.targets=[synth_back]"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_divergence_stops_with_the_step_and_keeps_the_last_checkpoint(tiny_settings, tmp_path):
    run = tmp_path / "run"
    settings = [*tiny_settings, "checkpoint.every=2"]
    execute(configured(settings, "optimizer.steps=2"), run)
    kept = run / "checkpoints/step_00000002"
    rows = read_rows(kept)
    rows["classifier.weight"][0, 0] = float("nan")
    write_tensors(kept / "classes-00000-of-00001.safetensors", rows)
    vouched(kept)
    before = sorted(p.name for p in (run / "checkpoints").iterdir())
    with pytest.raises(Diverged, match=r"step 3: the loss is not finite.*step_00000002"):
        execute(configured(settings, "optimizer.steps=6"), run)
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == before
    facts = json.loads((run / "diverged.json").read_text())
    assert (facts["step"], facts["images"]) == (3, 8)
    assert -1 <= facts["pixel_min"] < facts["pixel_mean"] < facts["pixel_max"] <= 1


def test_weights_that_are_not_finite_are_never_saved(tiny_settings, tmp_path):
    """The loss of the last step may be finite when its update was not."""
    settings = [*tiny_settings, "optimizer.lr=1e38", "optimizer.steps=1"]
    with pytest.raises(Diverged):
        execute(configured(settings), tmp_path / "run")
    assert Checkpoints(tmp_path / "run", 1).all() == []


def test_a_broken_record_ends_the_run_after_saving_it(tiny_settings, synthetic, tmp_path):
    for name in ("train.rec", "train.idx", "property", "synth_frontal.bin"):
        (tmp_path / name).write_bytes((synthetic / name).read_bytes())
    key = int(batch_indices(0, 4, 8, 48)[0]) + 1  # first used in the fifth step
    offset = RecordReader(tmp_path / "train.rec").offset(key)
    with open(tmp_path / "train.rec", "r+b") as file:
        file.seek(offset + 32)  # after the headers of part and record: the JPEG itself
        file.write(bytes(600))
    settings = [*tiny_settings, f"data.train={tmp_path}", "optimizer.steps=40", "data.cache=none"]
    with pytest.raises(DataError, match=f"record {key} at byte {offset} cannot be decoded"):
        execute(configured(settings), tmp_path / "run")
    last = Checkpoints(tmp_path / "run", 1).last()
    assert last is not None
    assert load_training(last).step == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_run_which_can_then_be_resumed(tiny_settings, tmp_path, number):
    run = tmp_path / "run"
    sets = [word for s in [*tiny_settings, "optimizer.steps=3000"] for word in ("--set", s)]
    process = subprocess.Popen(
        [sys.executable, "-m", "arcface_plus", "train", str(shipped("demo_arcface_plus.yaml")),
         *sets, "--out", str(run)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.time() + 120
    while time.time() < deadline and not (
        (run / "metrics.jsonl").is_file() and (run / "metrics.jsonl").read_text().count("\n") > 2
    ):
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    saved = Checkpoints(run, 1).last()
    assert saved is not None
    step = load_training(saved).step
    assert f"interrupted at step {step} of 3000" in errors
    settings = [*tiny_settings, f"optimizer.steps={step + 2}"]
    execute(configured(settings), run)
    execute(configured(settings), tmp_path / "whole")
    name = f"checkpoints/step_{step + 2:08d}"
    assert_same_bits(run / name, tmp_path / "whole" / name)


def test_a_killed_save_leaves_no_checkpoint_and_is_cleaned_up(tiny_settings, tmp_path, monkeypatch):
    run = tmp_path / "run"
    settings = [*tiny_settings, "checkpoint.every=2"]
    execute(configured(settings, "optimizer.steps=2"), run)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "training.pt")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        execute(configured(settings, "optimizer.steps=4"), run)
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step_00000002"]


@pytest.mark.parametrize(
    ("way", "said"), [("sharded", "sharded over 2"), ("auto", "replicated on 2")]
)
def test_two_processes_train_together_and_one_continues(tiny_settings, tmp_path, way, said):
    """With 5 and 4 images of each batch; few classes stay replicated by default."""
    settings = [*tiny_settings, "data.batch_size=9", "data.micro_batch_size=3",
                f"model.classifier={way}"]  # fmt: skip
    sets = [word for s in settings for word in ("--set", s)]
    run = tmp_path / "two"
    words = ["train", "demo_arcface_plus", *sets, "--out", str(run)]
    with launched(words, 2, tmp_path / "said") as started:
        assert started.statuses() == [0, 0], started.said()
        assert f"class weights {said} processes" in " ".join(started.said().split())
    assert [line["step"] for line in lines(run)] == [1, 2]
    assert load_training(run / "checkpoints/step_00000002").step == 2
    assert json.loads((run / "environment.json").read_text())["processes"] == 2
    pairs = (run / "nearest_classes.csv").read_text().splitlines()
    assert 3 <= len(pairs) - 1 <= 6  # of six classes
    execute(configured(settings), tmp_path / "one")
    first = lines(run)[0], lines(tmp_path / "one")[0]
    for key in ("loss_regularizer", "mean_min_angle_deg", "min_angle_deg_p10"):
        assert first[0][key] == pytest.approx(first[1][key], rel=1e-5)  # the same weights
    execute(configured(settings, "optimizer.steps=3"), run)
    assert [line["step"] for line in lines(run)] == [1, 2, 3]


def test_a_run_older_than_a_config_key_resumes(tiny_settings, tmp_path):
    run = tmp_path / "run"
    execute(configured(tiny_settings, "checkpoint.every=2"), run)
    tree = yaml.safe_load((run / "config.yaml").read_text())
    for section, key in (("data", "micro_batch_size"), ("data", "cache_dir"),
                         ("runtime", "activation_checkpointing")):  # fmt: skip
        del tree[section][key]
    tree["regularizer"] = {"name": "mma", "weight": 0.03}
    (run / "config.yaml").write_text(yaml.safe_dump(tree))
    state_file = run / "checkpoints/step_00000002/training.pt"
    as_schema(2, state_file.parent)
    training = torch.load(state_file, weights_only=True)
    del training["regularizer"]
    torch.save(training, state_file)
    settings = [*tiny_settings, "optimizer.steps=4"]
    with pytest.raises(UserError, match=r"data\.micro_batch_size None → 4"):
        execute(configured(settings, "data.micro_batch_size=4"), run)
    execute(configured(settings, "runtime.activation_checkpointing=true"), run)
    assert [line["step"] for line in lines(run)] == [1, 2, 3, 4]
    execute(configured(tiny_settings, "optimizer.steps=4"), tmp_path / "whole")
    assert_same_bits(*(r / "checkpoints/step_00000004" for r in (run, tmp_path / "whole")))


@pytest.mark.parametrize(("slow", "told"), [({0}, 0), ({0, 2, 3}, 1), (set(), 0)])
def test_waiting_for_images_is_reported_once_but_not_for_the_first_window(
    tiny_settings, tmp_path, monkeypatch, capfd, slow, told
):
    def batches(loader, first, last):
        for step, batch in enumerate(original(loader, first, last)):
            yield replace(batch, wait_seconds=60.0 if step in slow else 0.0)

    original = Loader.batches
    monkeypatch.setattr(Loader, "batches", batches)
    execute(configured(tiny_settings, "optimizer.steps=5", "data.cache=none"), tmp_path / "run")
    said = [line for line in capfd.readouterr().err.splitlines() if "waited" in line]
    assert len(said) == told
    assert all("% of the time for images: set data.cache to disk" in line for line in said)


def test_activation_checkpointing_changes_no_bit_of_a_run(tiny_settings, tmp_path, monkeypatch):
    execute(configured(tiny_settings, "model.dropout=0.3"), tmp_path / "plain")
    units = []
    monkeypatch.setattr(
        assembly,
        "checkpoint_activations",
        lambda backbone: (units.extend(backbone.units()), checkpoint_activations(backbone)),
    )
    saving = "runtime.activation_checkpointing=true"
    execute(configured(tiny_settings, "model.dropout=0.3", saving), tmp_path / "saving")
    assert all("forward" in vars(unit) for unit in units)
    assert units
    assert_same_bits(*(tmp_path / r / "checkpoints/step_00000002" for r in ("plain", "saving")))


def test_initial_weights_are_a_function_of_the_seed_alone(tiny_settings):
    config = configured(tiny_settings)
    one, two = build_recognizer(config, 6), build_recognizer(config, 6)
    other = build_recognizer(configured(tiny_settings, "run.seed=1"), 6)
    assert torch.equal(one.classifier.weight, two.classifier.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
