"""Verification during training: when it is due, where it is written, the latest result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import nn

from arcface_plus.run_directory.finished import verification_file, verified
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.training.compilation import uncompiled
from data_prep.files import make_folder


class Verification(Protocol):
    """What training needs from a verification: 10-fold accuracy by target, and writing it."""

    @property
    def accuracies(self) -> dict[str, float]: ...

    def write(self, file: Path, checkpoint: str) -> None: ...


Verify = Callable[[nn.Module], Verification]


class _Abandoned(Exception):
    """A signal arrived during a verification."""


@dataclass
class Verifying:
    """Verifies a backbone on `targets` every `every` steps and writes the results into `run`."""

    run: Path
    verify: Verify
    targets: tuple[str, ...]
    every: int
    metrics: Metrics | None = None
    accuracies: dict[str, float] = field(default_factory=dict, init=False)
    """Accuracy by target, of the last verification."""

    def due(self, step: int, last: bool) -> bool:
        """Whether verification is due after `step` updates; `last`: these are all updates."""
        return bool(self.targets) and (last or step % self.every == 0)

    def make(self, backbone: nn.Module, step: int, stopped: Callable[[], bool]) -> None:
        """Verify `backbone`, the state after `step` updates; not to the end once `stopped`.

        A verification may take minutes, and who sends a signal waits for seconds only.
        """

        def look(*_: object) -> None:
            if stopped():
                raise _Abandoned

        backbone.eval()
        looking = backbone.register_forward_pre_hook(look)
        try:
            with uncompiled(backbone):
                result = self.verify(backbone)
        except _Abandoned:
            return
        finally:
            looking.remove()
            backbone.train()
        file = verification_file(self.run, step)
        make_folder(file.parent)
        result.write(file, file.stem)
        self.accuracies = result.accuracies
        if self.metrics is not None:
            self.metrics.log_verification(step, self.accuracies)

    def make_if_absent(self, backbone: nn.Module, step: int, stopped: Callable[[], bool]) -> None:
        """Like `make`, unless the result was written before training was interrupted."""
        found = verified(self.run, step, self.targets)
        if found is None:
            self.make(backbone, step, stopped)
        else:
            self.accuracies = found
