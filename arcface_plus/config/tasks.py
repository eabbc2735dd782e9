"""The tasks of a run, each with the typed shape of its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arcface_plus.config.classification import ClassificationConfig
from arcface_plus.config.complaints import unknown_name
from arcface_plus.config.faces import FaceConfig
from arcface_plus.config.sections import RunConfig
from data_prep.errors import UserError

DEFAULT = "verification"
TASKS: dict[str, type[RunConfig]] = {
    DEFAULT: FaceConfig,
    "classification": ClassificationConfig,
}


def config_class(*trees: Mapping[str, Any]) -> type[RunConfig]:
    """The config of the task that a tree names: the last one that does; UserError if unknown."""
    task = next((tree["task"] for tree in reversed(trees) if "task" in tree), DEFAULT)
    if not isinstance(task, str) or task not in TASKS:
        raise UserError(f"task: {unknown_name('task', task, TASKS)}")
    return TASKS[task]


def others(shape: type[RunConfig]) -> dict[str, type[RunConfig]]:
    """The configs of the other tasks, by name."""
    return {name: other for name, other in TASKS.items() if other is not shape}
