"""One update of the weights: batch → gradients (possibly in parts) → optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from arcface_plus.data.loader import Batch
from arcface_plus.models.gathering import from_all_processes
from arcface_plus.models.influence import Influence
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import Moment, NearestAngles
from arcface_plus.runtime import Processes, autocast, seed_step
from arcface_plus.training.accumulation import backward, part_sizes
from arcface_plus.training.schedules import Schedule


class Update(NamedTuple):
    """Results of an update, on the device; norm and angles are None unless measured."""

    losses: Losses
    grad_norm: torch.Tensor | None
    angles: NearestAngles | None
    influences: Mapping[str, Influence] = MappingProxyType({})
    """Of each regularizer, by its label, if measured."""
    layer_angles: Mapping[str, NearestAngles] = MappingProxyType({})
    """Of each regularized hidden layer, if due."""


@dataclass(frozen=True)
class UpdateSettings:
    """How an update is made, whatever the network."""

    precision: str  # bf16, fp16 or fp32
    seed: int
    grad_clip: float | None = None
    micro_batch_size: int | None = None
    layer_angles_every: int = 1000
    """Steps between two measurements of the angles of regularized hidden layers."""


class Updater:
    """Makes the update of any step, as a function of weights, batch, seed and step.

    Generators, learning rate, optimizer and the loss scaler of fp16 advance once per batch, however
    many parts it has. No synchronization with a GPU.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        settings: UpdateSettings,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.recognizer, self.optimizer, self.schedule = recognizer, optimizer, schedule
        self.settings, self.device, self.processes = settings, device, processes
        self._scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
        self._model: nn.Module = recognizer
        if processes.count > 1:
            # Each process keeps its own batch-norm statistics: this saves a broadcast per step, and
            # the first process's, which are saved, come from its own batches either way.
            self._model = DistributedDataParallel(recognizer, broadcast_buffers=False)
        self._model.train()
        self._layer_angles_at: int | None = None

    @property
    def loss_scale(self) -> float | None:
        """The loss scale of fp16, else None; waits for a GPU."""
        return self._scaler.get_scale() if self._scaler.is_enabled() else None

    def make(self, batch: Batch, step: int, measure: bool) -> Update:
        """Make update number `step`, counted from 0; `measure`: also gradient norms and angles,
        which must be taken before the optimizer changes the weights."""
        seed_step(self.settings.seed, step, self.processes.rank)
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.at(step)
        sizes = part_sizes(len(batch.labels), self.settings.micro_batch_size)
        context = autocast(self.device, self.settings.precision)
        regularizer = self.recognizer.regularizer
        regularizer.measuring = measure
        moment = self._moment(batch, step)
        losses = backward(self._model, batch, sizes, context, self._scaler.scale, step, moment)
        angles = self.recognizer.class_angles() if measure else None
        layer_angles = regularizer.layer_angles() if measure and self._angles_due(step) else {}
        norm, influences = None, {}
        if measure or self.settings.grad_clip is not None:
            self._scaler.unscale_(self.optimizer)
            influences = regularizer.influences()
            norm = self._clip()
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return Update(losses, norm, angles, influences, layer_angles)

    def _moment(self, batch: Batch, step: int) -> Moment:
        """What regularizers may need; labels are those of all processes."""
        labels = batch.labels
        if self.recognizer.regularizer.needs_labels:
            labels = from_all_processes(labels)
        return Moment(self.settings.seed, step, labels)

    def _angles_due(self, step: int) -> bool:
        """At the first measured step, and at the first one after every so many steps."""
        every, before = self.settings.layer_angles_every, self._layer_angles_at
        if before is not None and (step + 1) // every == (before + 1) // every:
            return False
        self._layer_angles_at = step
        return True

    def _clip(self) -> torch.Tensor:
        """Clip the gradient if there is a limit; return its total norm before clipping."""
        gradients = [p.grad for p in self.recognizer.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.settings.grad_clip is not None:
            parameters = self.recognizer.parameters()
            nn.utils.clip_grads_with_norm_(parameters, self.settings.grad_clip, norm)
        return norm

    def state(self) -> dict[str, dict[str, Any]]:
        """The state of optimizer and loss scaler for a checkpoint."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, optimizer: dict[str, Any], scaler: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(optimizer)
        self._scaler.load_state_dict(scaler)
