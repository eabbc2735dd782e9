"""Is a run finished, with everything written that is due at its last step?"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from arcface_plus.run_directory.classifier_card import TASK
from arcface_plus.run_directory.entries import SUMMARY_FILE
from arcface_plus.run_directory.model_file import MODEL_CARD, MODEL_WEIGHTS
from data_prep.errors import DataError
from data_prep.json_file import read_json_mapping


def verification_file(run: Path, step: int) -> Path:
    """Where the verification after `step` updates is written."""
    return run / "eval" / f"step_{step:08d}.json"


def is_finished(run: Path, step: int, targets: Collection[str]) -> bool:
    """Whether RUN's summary and model are of `step`, and all `targets` are verified at it."""
    files = {run / SUMMARY_FILE: "steps", run / MODEL_CARD: "step"}
    try:
        steps = [read_json_mapping(file).get(key) for file, key in files.items()]
    except (OSError, DataError):
        return False
    whole = (run / MODEL_WEIGHTS).is_file() and all(found == step for found in steps)
    return whole and verified(run, step, targets) is not None


def verified(run: Path, step: int, targets: Collection[str]) -> dict[str, float] | None:
    """10-fold accuracy by target after `step`; None if the run has not verified all `targets`.

    DataError for a file that is not a verification.
    """
    if not targets:
        return {}
    file = verification_file(run, step)
    if not file.is_file():
        return None
    accuracies = read_accuracies(file)
    return accuracies if accuracies.keys() >= set(targets) else None


def read_accuracies(file: Path) -> dict[str, float]:
    """Accuracy by target of an evaluation that the run has written: 10-fold, or top-1."""
    content = read_json_mapping(file)
    try:
        if content.get("task") == TASK:
            return {"test": float(content["top1"])}  # type: ignore[arg-type]
        targets = content["targets"]
        return {name: float(found["accuracy"]["mean"]) for name, found in targets.items()}  # type: ignore[attr-defined]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DataError(f"{file}: not a verification; delete it to verify again") from None


def classification_figures(run: Path, step: int) -> dict[str, dict[str, Any]]:
    """For summary.json: the figures of a classification's test split; empty for faces."""
    file = verification_file(run, step)
    content = read_json_mapping(file) if file.is_file() else {}
    if content.get("task") != TASK:
        return {}
    ours = ("schema", "task", "checkpoint")
    return {"test": {key: value for key, value in content.items() if key not in ours}}
