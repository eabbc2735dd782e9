"""The machine a figure was measured on: models, not names."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

import cv2
import numpy as np
import torch

from arcface_plus.run_directory.environment import git_revision, processor


def facts() -> dict[str, Any]:
    """The facts needed to interpret a figure: hardware, versions, revision and command."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "cores": usable_cores(),
        **_gpu(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "threads": torch.get_num_threads(),
        "git_revision": git_revision(),
        "command": " ".join(["arcface-plus", *sys.argv[1:]]),
    }


def usable_cores() -> int:
    """Cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpu() -> dict[str, Any]:
    if not torch.cuda.is_available():
        return {"gpu": None}
    about = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": about.name,
        "gpu_memory_gb": round(about.total_memory / 1e9, 1),
        "gpu_multiprocessors": about.multi_processor_count,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "triton": _triton(),
    }


def _driver() -> str | None:
    """The driver's version, from nvidia-smi."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.stdout.split()), None)


def _triton() -> str | None:
    try:
        return metadata.version("triton")
    except metadata.PackageNotFoundError:
        return None
