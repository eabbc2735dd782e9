"""Optimizers by name: ``optimizer(parameters, lr=…, …)``, a ``torch.optim.Optimizer``.

A new optimizer is one new file and one line in ``OPTIMIZERS``. Its learning rate is set before each
step, to that of the schedule. What ``load_state_dict`` gets may come from a run on another device.
"""

from collections.abc import Callable

from torch.optim import Optimizer

from arcface_plus.training.optimizers.adamw import AdamW
from arcface_plus.training.optimizers.sgd import SGD

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adamw": AdamW,
}

__all__ = ["OPTIMIZERS", "SGD", "AdamW"]
