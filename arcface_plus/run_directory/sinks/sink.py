"""What a metrics sink is, and what it learns about the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class RunFacts:
    """What a sink records about a run before its first figure."""

    run: Path
    """The run directory."""
    name: str
    first_step: int
    """Updates done before: 0, or those of the checkpoint that the run continues from."""
    last_logged: int
    """The last step logged before; beyond `first_step` if the run was killed after a checkpoint."""
    config: Mapping[str, object]
    """By dotted key, as JSON has them."""
    config_yaml: str
    environment: Mapping[str, object]
    """What environment.json holds: versions, device, git revision, command."""


class Sink:
    """One place that the figures of a run go to.

    A sink overrides the methods that it needs; the others do nothing. Whatever exception a method
    raises, the run warns once, calls this sink no more, and continues.
    """

    file: ClassVar[str] = ""
    """What it writes in the run directory, for warnings; "" if it is named by `logging.sinks`."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Modules of the optional extra that has the sink's name."""

    def __init__(self, facts: RunFacts) -> None:
        """Open it. A resumed run continues what it has recorded up to `facts.first_step`."""

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its libraries are there. Imports nothing."""
        # A folder such as ./wandb, which W&B leaves, looks like a package without an __init__.py.
        specs = [find_spec(module) for module in cls.needs]
        return all(spec is not None and spec.origin is not None for spec in specs)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """The figures of a logged step; NaN and infinity are possible."""

    def log_angles(self, step: int, degrees: np.ndarray) -> None:
        """Angles (classes,), degrees, from each class weight to its nearest other one."""

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        """Accuracies in [0, 1] by target."""

    def sync(self) -> None:
        """Let what was recorded outlast a power cut: a checkpoint is about to be written."""

    def finish(self, accuracies: Mapping[str, float]) -> None:
        """The run has made its last step, with these accuracies in [0, 1] by target."""

    def close(self) -> None:
        """No call follows. Without `finish` before it, the run was interrupted or failed."""
