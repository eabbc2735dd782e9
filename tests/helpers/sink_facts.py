"""What sinks learn about a run, made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from arcface_plus.run_directory.sinks import RunFacts

VALUES = {"loss": 2.5, "lr": 0.1, "images_per_second": 10.0}
ANGLES = np.array([60.0, 61.0, 80.0], dtype=np.float32)


def facts(run: Path, first_step: int = 0, **others: object) -> RunFacts:
    """Of a run in `run` that continues from `first_step`; `others`: fields with other values."""
    made = RunFacts(
        run=run,
        name="a run",
        first_step=first_step,
        last_logged=0,
        config={"optimizer.lr": 0.1, "eval.targets": ["lfw"], "model.init": None},
        config_yaml="optimizer:\n  lr: 0.1\n",
        environment={"git_revision": "abc123", "device": "a CPU", "processes": 1},
    )
    return replace(made, **others)  # type: ignore[arg-type]
