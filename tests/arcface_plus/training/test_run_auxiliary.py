"""Whole runs with an auxiliary loss: what is logged and saved, and that they resume bit for bit."""

from __future__ import annotations

import pytest
import torch
from runs import assert_same_bits, configured, lines

from arcface_plus.run_directory.training_state import load_training
from arcface_plus.training.run import execute

LAST = "checkpoints/step_00000004"


def test_centre_loss_resumes_bit_for_bit(tiny_settings, tmp_path, capsys):
    settings = [
        *tiny_settings, "auxiliary={name: centre, weight: 0.5}", "data.micro_batch_size=4",
        "checkpoint.every=2", "eval.targets=[]",
    ]  # fmt: skip
    execute(configured(settings, "optimizer.steps=4"), tmp_path / "whole")
    assert "arcface + 0.03·mma + 0.5·centre," in capsys.readouterr().err
    execute(configured(settings, "optimizer.steps=2"), tmp_path / "parts")
    execute(configured(settings, "optimizer.steps=4"), tmp_path / "parts")
    assert_same_bits(*(tmp_path / run / LAST for run in ("whole", "parts")))
    one, two = (load_training(tmp_path / run / LAST).auxiliary for run in ("whole", "parts"))
    assert torch.equal(one["loss.centres"], two["loss.centres"])
    assert one["loss.centres"].any()
    for line in lines(tmp_path / "whole"):
        total = line["loss_margin"] + 0.03 * line["loss_regularizer"] + 0.5 * line["loss_auxiliary"]
        assert line["loss"] == pytest.approx(total, rel=1e-5)
        assert line["loss_auxiliary"] > 0


def test_a_loss_of_pytorch_metric_learning_trains(tiny_settings, tmp_path):
    pytest.importorskip("pytorch_metric_learning")
    loss = "{name: TripletMarginLoss, weight: 1, miner: BatchHardMiner, parameters: {margin: 0.3}}"
    execute(configured([*tiny_settings, f"auxiliary={loss}", "eval.targets=[]"]), tmp_path / "run")
    assert all(line["loss_auxiliary"] > 0 for line in lines(tmp_path / "run"))


def test_weight_zero_and_none_have_the_bits_of_a_run_without(tiny_settings, tmp_path):
    runs = ("auxiliary.name=none", "auxiliary={name: centre, weight: 0}", "run.seed=0")
    folders = [tmp_path / str(number) for number in range(3)]
    for setting, folder in zip(runs, folders, strict=True):
        execute(configured([*tiny_settings, setting, "eval.targets=[]"]), folder)
        assert_same_bits(
            folder / "checkpoints/step_00000002", folders[0] / "checkpoints/step_00000002"
        )
        assert "loss_auxiliary" not in lines(folder)[0]
