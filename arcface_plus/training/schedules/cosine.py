"""A rate that falls along half a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from arcface_plus.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class Cosine(Schedule):
    """From lr to ``final_lr`` in proportion to ½(1 + cos(π · progress)); no restarts.

    Loshchilov & Hutter, "SGDR", 2017, equation 5.
    """

    depends_on_steps: ClassVar[bool] = True

    final_lr: Annotated[float, "learning rate at the end"] = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.final_lr <= self.lr:
            raise ValueError(f"final_lr must be at least 0 and at most lr, not {self.final_lr}")

    def after_warmup(self, step: int) -> float:
        falling = 0.5 * (1.0 + math.cos(math.pi * self.progress(step)))
        return self.final_lr + (self.lr - self.final_lr) * falling
