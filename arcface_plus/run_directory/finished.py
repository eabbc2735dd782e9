"""Is a run finished: has everything been written that is due at its last step?"""

from __future__ import annotations

from pathlib import Path

from arcface_plus.run_directory.checkpoint import MODEL_CARD, MODEL_WEIGHTS
from data_prep.errors import DataError
from data_prep.json_file import read_json_mapping

SUMMARY = "summary.json"


def is_finished(run: Path, step: int, verified: bool) -> bool:
    """Whether RUN's summary, its model and, if `verified`, its verification are those of `step`."""
    files = {run / SUMMARY: "steps", run / MODEL_CARD: "step"}
    try:
        steps = [read_json_mapping(file).get(key) for file, key in files.items()]
    except (OSError, DataError):
        return False
    verification = run / "eval" / f"step_{step:08d}.json"
    whole = (run / MODEL_WEIGHTS).is_file() and (not verified or verification.is_file())
    return whole and all(found == step for found in steps)


def read_accuracies(file: Path) -> dict[str, float]:
    """10-fold accuracy by target of a verification that the run has written."""
    content = read_json_mapping(file)
    try:
        targets = content["targets"]
        return {name: float(found["accuracy"]["mean"]) for name, found in targets.items()}  # type: ignore[attr-defined]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DataError(f"{file}: not a verification; delete it to verify again") from None
