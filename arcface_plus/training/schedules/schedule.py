"""The learning rate as a pure function of the step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Schedule(ABC):
    """A linear warm-up over the first ``warmup_steps`` of ``steps`` updates, then ``after_warmup``.

    A subclass adds its parameters as fields and implements ``after_warmup``.
    """

    depends_on_steps: ClassVar[bool]
    """Whether the rates at all steps depend on ``steps``, so that a run cannot be extended."""

    lr: float
    steps: int
    warmup_steps: int = 0

    def at(self, step: int) -> float:
        """The learning rate of update number `step`, counted from 0.

        The first warm-up step runs at lr / warmup_steps, not at zero and not at the full rate.
        """
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        return self.after_warmup(step)

    @abstractmethod
    def after_warmup(self, step: int) -> float:
        """The learning rate of update number `step`, a step after the warm-up."""

    def progress(self, step: int) -> float:
        """Share of the steps after the warm-up that are before `step`: 0 at the first, below 1 at
        the last, 1 from then on."""
        length = self.steps - self.warmup_steps
        return min(1.0, (step - self.warmup_steps) / length) if length > 0 else 1.0
