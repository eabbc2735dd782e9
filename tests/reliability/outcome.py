"""What a run left behind, but for times: two runs can be compared, and told apart in words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from runs import state

from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.model_file import load_weights

_MEASURED = {"wall_seconds", "images_per_second", "peak_memory_mb"}  # differ from run to run
_LOGGED = ("step", "loss", "loss_regularizer", "accuracy", "grad_norm", "min_angle_deg")

Outcome = dict[str, Any]


def outcome(run: Path) -> Outcome:
    """Names of files and their contents, times left out; a missing file is "missing"."""
    found: Outcome = {
        "files": sorted(
            name
            for path in run.rglob("*")
            if not (name := path.relative_to(run).as_posix()).startswith("tb/")
        ),
        "config.yaml": _text(run / "config.yaml"),
        "metrics.jsonl": _metrics(run / "metrics.jsonl"),
        "summary.json": _summary(run / "summary.json"),
        "nearest_classes.csv": _text(run / "nearest_classes.csv"),
        "model.json": _card(run / "model.json"),
    }
    for path in sorted((run / "eval").glob("step_*.json")):
        found[path.name] = json.loads(path.read_text())["targets"]
    for checkpoint in Checkpoints(run, keep=1).all():
        found[checkpoint.name] = _digest(state(checkpoint))
    if (run / "model.safetensors").is_file():
        found["model.safetensors"] = _digest(load_weights(run / "model.safetensors"))
    return found


def difference(expected: Outcome, found: Outcome, metrics: bool = True) -> str | None:
    """In words; None if there is none. `metrics`: those count, too."""
    for key in expected | found:
        if expected.get(key) != found.get(key) and (metrics or key != "metrics.jsonl"):
            return f"{key}: {_brief(found.get(key))} instead of {_brief(expected.get(key))}"
    return None


def _brief(value: object) -> str:
    return str(value) if len(str(value)) < 700 else f"{str(value)[:700]} …"


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else "missing"


def _metrics(path: Path) -> object:
    if not path.is_file():
        return "missing"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [tuple(line[key] for key in _LOGGED) for line in lines]


def _summary(path: Path) -> object:
    if not path.is_file():
        return "missing"
    return {k: v for k, v in json.loads(path.read_text()).items() if k not in _MEASURED}


def _card(path: Path) -> object:
    if not path.is_file():
        return "missing"
    return json.loads(path.read_text())["step"]


def _digest(tensors: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].numpy().tobytes())
    return digest.hexdigest()
