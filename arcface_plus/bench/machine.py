"""The machine a figure was measured on: models, not names."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import cv2
import numpy as np
import torch

from arcface_plus.run_directory import git_revision, processor


def facts() -> dict[str, Any]:
    """What has to stand beside a figure for it to mean anything."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "threads": torch.get_num_threads(),
        "git_revision": git_revision(),
        "command": " ".join(["arcface-plus", *sys.argv[1:]]),
    }
