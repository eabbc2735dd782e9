"""Studies in tests: small ones on files, and runs by hand that look finished."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import yaml
from verification_files import verification

from arcface_plus.studies.plan import Plan, PlannedRun, load_plan
from arcface_plus.studies.starts import located

STUDY = {
    "name": "two",
    "base": "smoke",
    "set": {"data.train": "DATA"},
    "variants": {
        "plain": {"set": {"regularizer": "none"}, "paper": {"synth_frontal": 90.0}},
        "mma": {"paper": {"synth_frontal": 90.5}},
    },
    "seeds": 2,
}


def study_path(folder: Path, **changes: object) -> Path:
    """STUDY with some keys changed (None: taken out), as a file."""
    tree = {key: value for key, value in (STUDY | changes).items() if value is not None}
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False))
    return file


def planned(folder: Path, *settings: str, **changes: object) -> Plan:
    return load_plan(study_path(folder, **changes), settings)


def fold_accuracies(mean: float) -> list[float]:
    """Ten folds with this mean."""
    return (mean + np.array([1, -1, 2, -2, 0.5, -0.5, 1, -1, 0, 0]) / 100).tolist()


def finish(folder: Path, run: PlannedRun, accuracy: float) -> None:
    """The files of a finished run with this accuracy on each target, written by hand."""
    place, step = folder / run.folder, run.config.optimizer.steps
    (place / "eval").mkdir(parents=True)
    (place / "config.yaml").write_text(located(folder, run).to_yaml())
    (place / "environment.json").write_text("{}")
    (place / "summary.json").write_text(json.dumps({"steps": step}))
    (place / "model.json").write_text(json.dumps({"step": step}))
    (place / "model.safetensors").write_bytes(b"")
    (place / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": s, "mean_min_angle_deg": 60.0 + s}) + "\n" for s in (1, step))
    )
    folds = fold_accuracies(accuracy)
    target = {
        "pairs": 600, "same": 300, "images": 1200, "unique_images": 700,
        "accuracy": {"mean": accuracy, "std": 0.01, "folds": folds, "thresholds": [1.0] * 10,
                     "ci95": [accuracy - 0.02, accuracy + 0.02]},
    }  # fmt: skip
    content = verification(dict.fromkeys(run.config.eval.names, target))
    (place / "eval" / f"step_{step:08d}.json").write_text(json.dumps(content))
