"""A rate that falls as a power of the remaining share of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from arcface_plus.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class Polynomial(Schedule):
    """lr · (1 − progress)^power; power 1, arcface_torch's schedule, is linear."""

    depends_on_steps: ClassVar[bool] = True

    power: Annotated[float, "1: linear"] = 1.0

    def __post_init__(self) -> None:
        if not (self.power > 0.0 and math.isfinite(self.power)):
            raise ValueError(f"power must be positive and finite, not {self.power}")

    def after_warmup(self, step: int) -> float:
        return self.lr * (1.0 - self.progress(step)) ** self.power
