"""A rate that falls in steps, the recipe of the ArcFace and MMA papers."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Annotated, ClassVar

from arcface_plus.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class Step(Schedule):
    """lr · gamma^(milestones passed).

    "Divided by 10 at iteration 23,750" means that the first 23,750 updates use the previous rate.
    """

    depends_on_steps: ClassVar[bool] = False

    milestones: Annotated[tuple[int, ...], "steps at which the rate falls"] = (23_750, 33_250)
    gamma: Annotated[float, "factor of the rate at each milestone"] = 0.1

    def __post_init__(self) -> None:
        milestones = list(self.milestones)
        if milestones != sorted(set(milestones)) or min(milestones, default=1) < 1:
            raise ValueError(f"milestones must ascend from 1 or more, not {milestones}")
        if not 0.0 < self.gamma <= 1.0:
            raise ValueError(f"gamma must be above 0 and at most 1, not {self.gamma}")

    def after_warmup(self, step: int) -> float:
        return self.lr * self.gamma ** bisect_right(self.milestones, step)
