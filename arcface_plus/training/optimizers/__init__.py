"""Optimizers by name: ``optimizer(parameters, lr=…, …)``, a ``torch.optim.Optimizer``.

A new optimizer is one new file and one line in ``OPTIMIZERS``. Before each step its learning rate
is set to the schedule's. ``load_state_dict`` must accept states from runs on other devices.
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
