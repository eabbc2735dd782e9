"""Minimal checkpoints, for tests of the code that handles them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.model_file import ModelCard
from arcface_plus.run_directory.training_state import Conditions, Training

CONDITIONS = Conditions(classes=3, samples=9, data_digest="d", precision="fp32", channels_last=True)
CARD = ModelCard("tiny", {"width": 0.25}, 8)


def training(step: int, **changed: Any) -> Training:
    content: dict[str, Any] = {
        "step": step, "seed": 0, "elapsed_seconds": 1.5, "run_id": "run",
        "classifier": {"weight": torch.full((3, 2), float(step))}, "optimizer": {}, "scaler": {},
    }  # fmt: skip
    return Training(**(content | vars(CONDITIONS) | changed))


def save(run: Path, step: int, keep: int = 9, **changed: Any) -> Path:
    """A checkpoint in `run` whose every number is its step."""
    weights = {"fc.weight": torch.full((2, 2), float(step))}
    return Checkpoints(run, keep).save(training(step, **changed), weights, CARD.at(step))


def old(checkpoint: Path) -> Path:
    """The checkpoint as older versions left it, without a manifest."""
    (checkpoint / "manifest.json").unlink()
    return checkpoint
