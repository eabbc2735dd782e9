"""Schedules by name: ``schedule(lr, steps, warmup_steps, …).at(step)`` is the learning rate.

A new schedule is one new file and one line in ``SCHEDULES``.
"""

from collections.abc import Callable

from arcface_plus.training.schedules.cosine import Cosine
from arcface_plus.training.schedules.polynomial import Polynomial
from arcface_plus.training.schedules.schedule import Schedule
from arcface_plus.training.schedules.step import Step

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "step": Step,
    "cosine": Cosine,
    "polynomial": Polynomial,
}

__all__ = ["SCHEDULES", "Cosine", "Polynomial", "Schedule", "Step"]
