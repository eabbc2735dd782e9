"""Whole runs in tests: small versions of shipped configs, a run's files, and comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from arcface_plus.config.tree import RunConfig, load, shipped
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.run_directory.model_file import load_weights
from arcface_plus.run_directory.training_state import load_training


def configured(settings: list[str], *more: str, name: str = "demo_arcface_plus.yaml") -> RunConfig:
    return load(shipped(name), [*settings, *more])


def state(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor that determines how the run continues."""
    training = load_training(checkpoint)
    tensors = load_weights(checkpoint / "model.safetensors") | dict(training.classifier)
    if training.rows_apart:
        tensors |= read_rows(checkpoint)
    for number, entry in training.optimizer["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in entry.items()}
    return tensors


def assert_same_bits(one: Path, other: Path) -> None:
    first, second = state(one), state(other)
    assert first.keys() == second.keys()
    assert [k for k in first if not torch.equal(first[k], second[k])] == []


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
