"""A run directory: may it be used, does its run fit the config, and what is written first."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import arcface_plus
from arcface_plus.config.tree import RunConfig, validate
from arcface_plus.run_directory.checkpoint import (
    Checkpoints,
    Training,
    check_identity,
    load_training,
)
from arcface_plus.run_directory.metrics import METRICS_FILE
from arcface_plus.run_directory.nearest_classes import FILE as NEAREST_CLASSES
from data_prep.errors import DataError, UserError
from data_prep.files import partial_name, write_text
from data_prep.yaml_file import read_yaml

CONFIG_FILE = "config.yaml"
ENTRIES = (
    CONFIG_FILE, "environment.json", METRICS_FILE, "tb", "checkpoints", "model.safetensors",
    "model.json", "eval", NEAREST_CLASSES, "summary.json", "diverged.json",
)  # fmt: skip
# What may change between two parts of one run without making it another run.
# Precision and memory format change results: `load_fitting` compares them as they were resolved.
_FREE = ("run.name", "runtime.", "checkpoint.", "eval.", "logging.", "data.cache", "data.threads",
         "data.train")  # fmt: skip
_DISCARDED = ".discarded"  # config.yaml's name while --fresh deletes what it belongs to
# What a run writes into its folders, so that --fresh deletes nothing else.
_WRITTEN = {
    "checkpoints": re.compile(r"\.?step_\d{8,}(\.partial|\.removed)?"),
    "eval": re.compile(r"\.?step_\d{8,}\.(json|npz)(\.partial)?"),
    "tb": re.compile(r"events\.out\.tfevents\..*"),
}


def prepare(run: Path, config: RunConfig, fresh: bool) -> Path | None:
    """Make RUN ready and return the checkpoint to go on from, None for a new run.

    UserError if RUN holds something that is not a run, or a run of another config.
    """
    if run.exists() and not run.is_dir():
        raise UserError(f"{run}: is a file, not a run directory; choose another --out")
    if (run / _DISCARDED).is_file():  # a --fresh that was killed
        _discard(run)
    is_run = (run / CONFIG_FILE).is_file()
    if run.is_dir() and not is_run:
        foreign = sorted(entry.name for entry in run.iterdir() if not _is_leftover(entry.name))
        if foreign:
            raise UserError(
                f"{run}: is not empty and not a run (it holds {foreign[0]}); choose another --out"
            )
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


@dataclass(frozen=True)
class Conditions:
    """What a run may not change between its parts, since its results depend on it."""

    classes: int
    samples: int
    data_digest: str
    precision: str
    channels_last: bool


def load_fitting(checkpoint: Path, now: Conditions) -> Training:
    """The training state of a checkpoint; UserError if it was made under other conditions."""
    training = load_training(checkpoint)
    check_identity(checkpoint, training)
    if (training.classes, training.samples) != (now.classes, now.samples):
        raise UserError(
            f"{checkpoint}: was trained on {training.samples} images of {training.classes} "
            f"classes, data.train has {now.samples} of {now.classes}; use --fresh or another --out"
        )
    if training.data_digest and training.data_digest != now.data_digest:
        raise UserError(
            f"{checkpoint}: data.train holds other images, labels or another order than the run "
            "was trained on (as many of both); restore the data, or use --fresh or another --out"
        )
    for key in ("precision", "channels_last"):
        before, wanted = getattr(training, key), getattr(now, key)
        if before not in ("", None) and before != wanted:
            raise UserError(
                f"{checkpoint}: was trained with runtime.{key} {before}, and this command would "
                f"continue with {wanted}, which changes results; set runtime.{key}={before}, or "
                "use --fresh or another --out"
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
        before = read_yaml(run / CONFIG_FILE)
    except DataError as error:
        raise UserError(f"{error}; restore it, or use --fresh to discard the run") from None
    old = flattened(_with_defaults(before))
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
    """Remove what a run has written, and nothing else; after a kill it can be repeated."""
    if (run / CONFIG_FILE).is_file():
        os.replace(run / CONFIG_FILE, run / _DISCARDED)
    for name in ENTRIES:
        entry = run / name
        if name in _WRITTEN and entry.is_dir():
            _discard_written(entry, _WRITTEN[name])
        else:
            entry.unlink(missing_ok=True)
    for entry in run.iterdir():
        if _is_leftover(entry.name) and entry.name != _DISCARDED:
            entry.unlink(missing_ok=True)
    (run / _DISCARDED).unlink(missing_ok=True)


def _discard_written(folder: Path, written: re.Pattern[str]) -> None:
    """Remove a run's own files and folders from a folder, then the folder if it is empty."""
    for entry in folder.iterdir():
        if written.fullmatch(entry.name):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
    if not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _is_leftover(name: str) -> bool:
    """Whether a killed run leaves files of this name: those that it had begun to write."""
    return name == _DISCARDED or name in {partial_name(Path(entry)).name for entry in ENTRIES}


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
