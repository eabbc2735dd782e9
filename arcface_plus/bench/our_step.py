"""What `arcface-plus train` does in a step, on one batch and without a run directory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from arcface_plus.accumulation import backward, part_sizes
from arcface_plus.compilation import compile_in_place
from arcface_plus.config import RunConfig
from arcface_plus.data.loader import Batch
from arcface_plus.models.recognizer import Losses
from arcface_plus.optim import set_lr, sgd
from arcface_plus.run import build_recognizer
from arcface_plus.runtime import autocast, resolve_precision, seed_step


class OurStep:
    """Calling it makes one update on the batch it was given and returns the loss, on its device.

    Every part is the trainer's own; the few lines of `Trainer._update` that join them are restated
    here, since a trainer comes with a run directory. The runtime settings are those of `auto`
    (bf16 and compiled on GPUs, channels last). ``uncompiled`` says why it is not compiled where it
    should be.
    """

    def __init__(self, config: RunConfig, images: Tensor, labels: Tensor, classes: int) -> None:
        self.config = config
        self.device = images.device
        self.precision = resolve_precision("auto", self.device)
        images = images.contiguous(memory_format=torch.channels_last)
        self.batch = Batch(images, labels, np.arange(len(labels)), wait_seconds=0.0)
        self.parts = part_sizes(len(labels), config.data.micro_batch_size)
        self.recognizer = build_recognizer(config, classes).to(self.device).train()
        backbone = self.recognizer.backbone
        backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.uncompiled: str | None = None
        if self.device.type == "cuda":
            part = images[: self.parts[0]]
            self.uncompiled = compile_in_place(
                backbone, part, autocast(self.device, self.precision)
            )
        optimizer = config.optimizer
        self.optimizer = sgd(
            self.recognizer, momentum=optimizer.momentum, weight_decay=optimizer.weight_decay
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.step = 0

    def __call__(self) -> Tensor:
        seed_step(0, self.step, 0)
        set_lr(self.optimizer, self.config.optimizer.lr)
        losses = self.gradients()
        self.update()
        self.step += 1
        return losses.total

    def gradients(self) -> Losses:
        """Forward and backward."""
        context = autocast(self.device, self.precision)
        return backward(self.recognizer, self.batch, self.parts, context, self.scaler.scale)

    def update(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
