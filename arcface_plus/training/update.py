"""One update of the weights: batch → gradients (possibly in parts) → optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from arcface_plus.data.loader import Batch
from arcface_plus.models.collectives import average_gradients, gather_rows, sum_
from arcface_plus.models.influence import Influence
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import Moment, NearestAngles
from arcface_plus.runtime import Processes, autocast, seed_step
from arcface_plus.training.accumulation import backward, batch_parts
from arcface_plus.training.loss_scaler import loss_scaler
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
        self._scaler = loss_scaler(device, settings.precision, processes.count)
        self._network = recognizer.backbone
        if processes.count > 1:
            # Each process keeps its own batch-norm statistics: this saves a broadcast per step, and
            # the first process's, which are saved, come from its own batches either way.
            self._network = DistributedDataParallel(recognizer.backbone, broadcast_buffers=False)
        recognizer.train()
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
        parts = batch_parts(batch.sizes, self.settings.micro_batch_size)
        context = autocast(self.device, self.settings.precision)
        regularizer, classifier = self.recognizer.regularizer, self.recognizer.classifier
        regularizer.measuring = measure
        moment, scaled = self._moment(batch, step), self._scaler.scale
        losses = backward(
            self._network, self.recognizer, batch, parts, context, scaled, step, moment
        )
        if self.processes.count > 1:
            classifier.reduce_gradients()
            if self.recognizer.auxiliary is not None:
                average_gradients(self.recognizer.auxiliary.parameters())
        angles = self.recognizer.class_angles() if measure else None
        layer_angles = regularizer.layer_angles() if measure and self._angles_due(step) else {}
        norm, influences = None, {}
        norm_needed = measure or self.settings.grad_clip is not None
        if norm_needed or self.processes.count > 1:
            self._scaler.unscale_(self.optimizer)
        if norm_needed:
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
            labels = gather_rows(labels, batch.sizes) if self.processes.count > 1 else labels
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
        norm = gradient_norm(self.recognizer)
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


def gradient_norm(recognizer: Recognizer) -> torch.Tensor:
    """Norm of the whole gradient, equal on every process; a collective call if classes are sharded.

    What all processes hold counts once, and so does each process's own part of the classes.
    """
    own = recognizer.classifier.sharded_parameters()
    if not own:
        return nn.utils.get_total_norm(_gradients(recognizer.parameters()))
    shared = _gradients(p for p in recognizer.parameters() if all(p is not other for other in own))
    part = nn.utils.get_total_norm(_gradients(own)).double()
    whole = nn.utils.get_total_norm(shared).double()
    return (whole.square() + sum_(part.square())).sqrt().float()


def _gradients(parameters: Iterable[nn.Parameter]) -> list[torch.Tensor]:
    return [p.grad for p in parameters if p.grad is not None]
