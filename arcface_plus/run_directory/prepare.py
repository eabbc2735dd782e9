"""A run directory: may it be used, does its run fit the config, and what is written first."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import yaml

import arcface_plus
from arcface_plus.config.tree import RunConfig, validate
from arcface_plus.run_directory.checkpoint import Checkpoints, Training, load_training
from arcface_plus.run_directory.metrics import METRICS_FILE
from arcface_plus.run_directory.nearest_classes import FILE as NEAREST_CLASSES
from data_prep.errors import UserError
from data_prep.files import write_text

CONFIG_FILE = "config.yaml"
ENTRIES = (
    CONFIG_FILE, "environment.json", METRICS_FILE, "tb", "checkpoints", "model.safetensors",
    "model.json", "eval", NEAREST_CLASSES, "summary.json", "diverged.json",
)  # fmt: skip
# What may change between two parts of one run without making it another run.
_FREE = ("run.name", "runtime.", "checkpoint.", "eval.", "logging.", "data.cache", "data.threads",
         "data.train")  # fmt: skip


def prepare(run: Path, config: RunConfig, fresh: bool) -> Path | None:
    """Make RUN ready and return the checkpoint to go on from, None for a new run.

    UserError if RUN holds something that is not a run, or a run of another config.
    """
    if run.exists() and not run.is_dir():
        raise UserError(f"{run}: is a file, not a run directory; choose another --out")
    is_run = (run / CONFIG_FILE).is_file()
    if run.is_dir() and any(run.iterdir()) and not is_run:
        raise UserError(f"{run}: is not empty and not a run; choose another --out")
    if is_run and fresh:
        _discard(run)
    elif is_run:
        _check_same_run(run, config)
    run.mkdir(parents=True, exist_ok=True)
    return Checkpoints(run, keep=1).last()


def describe(run: Path, config: RunConfig, device: torch.device, processes: int) -> None:
    """Write config.yaml and environment.json."""
    write_text(run / CONFIG_FILE, config.to_yaml())
    facts = {
        "arcface_plus": arcface_plus.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cuda": torch.version.cuda,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "device_type": device.type,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "seed": config.run.seed,
        "git_revision": git_revision(),
        "command": ["arcface-plus", *sys.argv[1:]],
    }
    write_text(run / "environment.json", json.dumps(facts, indent=2) + "\n")


def load_fitting(checkpoint: Path, classes: int, samples: int) -> Training:
    """The training state of a checkpoint, if it was made with this much data; else UserError."""
    training = load_training(checkpoint)
    if (training.classes, training.samples) != (classes, samples):
        raise UserError(
            f"{checkpoint}: was trained on {training.samples} images of {training.classes} "
            f"classes, data.train has {samples} of {classes}; use --fresh or another --out"
        )
    return training


def flattened(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested sections → dotted keys."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _check_same_run(run: Path, config: RunConfig) -> None:
    """A run goes on only under the config it was begun with, but for what cannot change it."""
    try:
        before = yaml.safe_load((run / CONFIG_FILE).read_text(encoding="utf-8"))
    except yaml.YAMLError:
        raise UserError(f"{run / CONFIG_FILE}: not YAML any more; use --fresh") from None
    old = flattened(_with_defaults(before if isinstance(before, dict) else {}))
    new = flattened(config.model_dump(mode="json"))
    changed = [
        f"{key} {old.get(key)!r} → {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(_free(config))
    ]
    if changed:
        raise UserError(
            f"{run}: holds a run of another configuration ({'; '.join(changed)}); "
            "use --fresh or another --out"
        )


def _free(config: RunConfig) -> tuple[str, ...]:
    """A run may be prolonged, unless its learning rates so far would then have been others."""
    fixed = config.optimizer.build_schedule().depends_on_steps
    return _FREE if fixed else (*_FREE, "optimizer.steps")


def _with_defaults(tree: dict[str, object]) -> dict[str, object]:
    """A config as an older version wrote it, with the keys that have come since."""
    try:
        return validate(tree, CONFIG_FILE).model_dump(mode="json")
    except UserError:  # a key that has gone since, or an edited file: what it says is compared
        return tree


def _discard(run: Path) -> None:
    """Remove what a run has written, and nothing else."""
    for name in ENTRIES:
        entry = run / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"


def git_revision() -> str | None:
    """The revision of the source tree the code runs from, with a + if it was changed.

    An image has no git: there ARCFACE_PLUS_REVISION says what it was built from.
    """
    here = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("ARCFACE_PLUS_REVISION")
    return answer.stdout.strip()
