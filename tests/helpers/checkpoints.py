"""Minimal checkpoints, for tests of the code that handles them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.class_files import WEIGHT, ClassRows, read_rows
from arcface_plus.run_directory.manifest import (
    Content,
    Manifest,
    read_manifest,
    write_manifest,
)
from arcface_plus.run_directory.model_file import ModelCard
from arcface_plus.run_directory.training_state import (
    Conditions,
    Training,
    load_training,
    write_training,
)

CONDITIONS = Conditions(classes=3, samples=9, data_digest="d", precision="fp32", channels_last=True)
CARD = ModelCard("tiny", {"width": 0.25}, 8)


def training(step: int, **changed: Any) -> Training:
    content: dict[str, Any] = {
        "step": step, "seed": 0, "elapsed_seconds": 1.5, "run_id": "run",
        "classifier": {}, "optimizer": {}, "scaler": {},
    }  # fmt: skip
    return Training(**(content | vars(CONDITIONS) | changed))


def class_rows(step: int) -> ClassRows:
    return ClassRows(Shards(3), {WEIGHT: torch.full((3, 2), float(step))})


def save(run: Path, step: int, keep: int = 9, **changed: Any) -> Path:
    """A checkpoint in `run` whose every number is its step."""
    weights = {"fc.weight": torch.full((2, 2), float(step))}
    state = training(step, **changed)
    return Checkpoints(run, keep).save(state, class_rows(step), weights, CARD.at(step))


def as_schema(schema: int, checkpoint: Path) -> Path:
    """The checkpoint as a version of schema 2 (without manifest) or 3 left it: one training.pt."""
    state, rows = load_training(checkpoint), read_rows(checkpoint)
    for name, tensor in rows.items():
        part, _, key = name.partition(".")
        if part == "classifier":
            state = replace(state, classifier={**state.classifier, key: tensor})
        else:
            number, _, key = key.partition(".")
            state.optimizer["state"].setdefault(int(number), {})[key] = tensor
    write_training(checkpoint / "training.pt", replace(state, schema=schema))
    for file in (*checkpoint.glob("classes-*"), checkpoint / "manifest.json"):
        file.unlink()
    if schema == 3:
        names = ("model.safetensors", "model.json", "training.pt")
        files = {name: Content.of(checkpoint / name) for name in names}
        write_manifest(checkpoint, Manifest(state.step, state.run_id, files, schema=1))
    return checkpoint


def vouched(checkpoint: Path) -> Path:
    """The checkpoint with a manifest of its files as they are now."""
    manifest = read_manifest(checkpoint)
    assert manifest is not None
    files = {
        name: replace(Content.of(checkpoint / name), rows=content.rows)
        for name, content in manifest.files.items()
    }
    write_manifest(checkpoint, replace(manifest, files=files))
    return checkpoint


def without_manifest(checkpoint: Path) -> Path:
    """The checkpoint without its manifest, which it needs."""
    (checkpoint / "manifest.json").unlink()
    return checkpoint
