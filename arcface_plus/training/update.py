"""One update of the weights: batch → gradients (in parts, if need be) → optimizer."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from arcface_plus.data.loader import Batch
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import NearestAngles
from arcface_plus.runtime import Processes, autocast, seed_step
from arcface_plus.training.accumulation import backward, part_sizes
from arcface_plus.training.schedules import Schedule


class Update(NamedTuple):
    """What an update found, on the device. Norm and angles are there if they were asked for."""

    losses: Losses
    grad_norm: torch.Tensor | None
    angles: NearestAngles | None


class Updater:
    """Makes the update of any step, as a function of weights, batch, seed and step.

    Generators, learning rate, optimizer and the loss scaler of fp16 move once a batch, in however
    many parts it comes. Nothing in it waits for a GPU.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        *,
        precision: str,
        seed: int,
        grad_clip: float | None,
        micro_batch_size: int | None,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self._recognizer, self._optimizer, self._schedule = recognizer, optimizer, schedule
        self._precision, self._seed, self._rank = precision, seed, processes.rank
        self._grad_clip, self._micro_batch_size = grad_clip, micro_batch_size
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._model: nn.Module = recognizer
        if processes.count > 1:
            # Batch norm's statistics stay each process's own: no broadcast a step, and the first
            # process's, which are saved, are those of its own batches either way.
            self._model = DistributedDataParallel(recognizer, broadcast_buffers=False)
        self._model.train()

    @property
    def loss_scale(self) -> float | None:
        """That of fp16, else None; waits for a GPU."""
        return self._scaler.get_scale() if self._scaler.is_enabled() else None

    def make(self, batch: Batch, step: int, measure: bool) -> Update:
        """Update number `step`, counted from 0; `measure`: also gradient norm and class angles,
        which are only known before the optimizer moves the weights."""
        seed_step(self._seed, step, self._rank)
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.at(step)
        sizes = part_sizes(len(batch.labels), self._micro_batch_size)
        context = autocast(self._device, self._precision)
        losses = backward(self._model, batch, sizes, context, self._scaler.scale)
        angles = self._recognizer.class_angles() if measure else None
        norm = None
        if measure or self._grad_clip is not None:
            self._scaler.unscale_(self._optimizer)
            norm = self._clip()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return Update(losses, norm, angles)

    def _clip(self) -> torch.Tensor:
        """The gradient's total norm, before it is clipped if there is a limit."""
        gradients = [p.grad for p in self._recognizer.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self._grad_clip is not None:
            parameters = self._recognizer.parameters()
            nn.utils.clip_grads_with_norm_(parameters, self._grad_clip, norm)
        return norm

    def state(self) -> dict[str, dict[str, Any]]:
        """What a checkpoint keeps of optimizer and loss scaler."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, optimizer: dict[str, Any], scaler: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(optimizer)
        self._scaler.load_state_dict(scaler)
