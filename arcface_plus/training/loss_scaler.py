"""The loss scaler of fp16, for one process and for several."""

from __future__ import annotations

import torch

from arcface_plus.models.collectives import largest_


class CommonScaler(torch.amp.GradScaler):
    """A scaler that skips a step in all processes if the gradient overflows in one of them.

    Otherwise an overflow in the classes of one process would make it skip the step alone, and
    halve its scale alone. ``unscale_`` must be called before ``step``. (FSDP's ShardedGradScaler
    adds the flags up, and torch's fused optimizers skip a step only where the sum is exactly 1.)
    """

    def unscale_(self, optimizer: torch.optim.Optimizer) -> None:
        super().unscale_(optimizer)
        if self.is_enabled():
            for overflow in self._found_inf_per_device(optimizer).values():
                largest_(overflow)


def loss_scaler(device: torch.device, precision: str, processes: int) -> torch.amp.GradScaler:
    """The scaler of a run; disabled unless its precision is fp16."""
    kind = torch.amp.GradScaler if processes == 1 else CommonScaler
    return kind(device.type, enabled=precision == "fp16")
