"""Whole runs whose batches come in parts: resume, unchanged bits, the fp16 loss scaler."""

from __future__ import annotations

import pytest
import torch
from runs import assert_same_bits, configured, state

from arcface_plus.run_directory.training_state import load_training
from arcface_plus.training.run import execute
from data_prep.errors import UserError


def test_resume_in_parts_is_bit_identical(tiny_settings, tmp_path) -> None:
    settings = [
        *tiny_settings,
        "model.dropout=0.3",
        "data.micro_batch_size=3",
        "checkpoint.every=2",
    ]
    execute(configured(settings, "optimizer.steps=4"), tmp_path / "whole")
    execute(configured(settings, "optimizer.steps=2"), tmp_path / "parts")
    execute(configured(settings, "optimizer.steps=4"), tmp_path / "parts")
    assert_same_bits(*(tmp_path / r / "checkpoints/step_00000004" for r in ("whole", "parts")))


def test_a_limit_above_the_batch_size_changes_no_bit(tiny_settings, tmp_path) -> None:
    for name, limit in (("none", "null"), ("exact", 8), ("parts", 4)):
        execute(configured(tiny_settings, f"data.micro_batch_size={limit}"), tmp_path / name)
    ends = [tmp_path / r / "checkpoints/step_00000002" for r in ("none", "exact", "parts")]
    assert_same_bits(*ends[:2])
    assert not torch.equal(
        state(ends[0])["classifier.weight"], state(ends[2])["classifier.weight"]
    )  # batch norm


def test_fp16_scales_each_part_and_updates_once_a_batch(tiny_settings, tmp_path, monkeypatch):
    calls = {"scale": 0, "step": 0, "update": 0}

    def counted(name, original):
        def call(self, *args):
            calls[name] += 1
            return original(self, *args)

        return call

    for name in calls:
        original = getattr(torch.amp.GradScaler, name)
        monkeypatch.setattr(torch.amp.GradScaler, name, counted(name, original))
    settings = [*tiny_settings, "runtime.precision=fp16", "data.micro_batch_size=3"]
    execute(configured(settings), tmp_path / "run")
    assert calls == {"scale": 6, "step": 2, "update": 2}
    assert load_training(tmp_path / "run/checkpoints/step_00000002").scaler["scale"] > 1


def test_micro_batches_of_one_image_are_refused(tiny_settings, tmp_path) -> None:
    with pytest.raises(UserError, match=r"data\.micro_batch_size 1 makes a micro-batch of one"):
        execute(configured(tiny_settings, "data.micro_batch_size=1"), tmp_path / "run")
