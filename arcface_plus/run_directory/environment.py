"""What a run writes before it trains: its config, and the machine and versions it runs on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

import arcface_plus
from arcface_plus.config.sections import StoredConfig
from arcface_plus.run_directory.entries import CONFIG_FILE, ENVIRONMENT_FILE
from data_prep.files import write_text


def describe(
    run: Path,
    config: StoredConfig,
    device: torch.device,
    processes: int,
    shared_images: Mapping[str, int],
) -> None:
    """Write config.yaml and environment.json.

    shared_images: by target, how many of its images are also in the training set.
    """
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
        "seed": config.seed,
        "git_revision": git_revision(),
        "shared_images": dict(shared_images),
        "command": ["arcface-plus", *sys.argv[1:]],
    }
    write_text(run / ENVIRONMENT_FILE, json.dumps(facts, indent=2) + "\n")


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

    Docker images have no git: there ARCFACE_PLUS_REVISION holds the revision of the build.
    """
    root = Path(__file__).resolve().parents[2]
    try:
        # An installed package may lie inside the checkout of something else.
        ours = Path(_git(root, "rev-parse", "--show-toplevel")).resolve() == root
        revision = _git(root, "describe", "--always", "--dirty=+", "--abbrev=12") if ours else None
    except (OSError, subprocess.SubprocessError):
        revision = None
    return revision or os.environ.get("ARCFACE_PLUS_REVISION")


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
