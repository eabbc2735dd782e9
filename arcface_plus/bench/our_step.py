"""What `arcface-plus train` does in a step, on one batch and without a run directory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from arcface_plus.config.tree import RunConfig
from arcface_plus.data.loader import Batch
from arcface_plus.runtime import Processes, autocast, resolve_precision
from arcface_plus.training.accumulation import part_sizes
from arcface_plus.training.assembly import build_recognizer
from arcface_plus.training.compilation import compile_in_place
from arcface_plus.training.update import Updater


class OurStep:
    """Calling it makes one update on the batch it was given and returns the loss, on its device.

    The update is the trainer's (`training.update`), between two logged steps; its check that
    the loss is finite, two small kernels, is not in it. The runtime settings are those of `auto`:
    bf16 and compiled on GPUs, channels last. ``uncompiled`` says why it is not compiled where it
    should be.
    """

    def __init__(self, config: RunConfig, images: Tensor, labels: Tensor, classes: int) -> None:
        device, settings = images.device, config.optimizer
        self.device = device
        self.precision = resolve_precision("auto", device)
        images = images.contiguous(memory_format=torch.channels_last)
        self.batch = Batch(images, labels, np.arange(len(labels)), wait_seconds=0.0)
        self.parts = part_sizes(len(labels), config.data.micro_batch_size)
        self.recognizer = build_recognizer(config, classes).to(device)
        backbone = self.recognizer.backbone
        backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.uncompiled: str | None = None
        if device.type == "cuda":
            part = images[: self.parts[0]]
            self.uncompiled = compile_in_place(backbone, part, autocast(device, self.precision))
        trained = [p for p in self.recognizer.parameters() if p.requires_grad]
        self.optimizer = settings.build(trained)
        self._updater = Updater(
            self.recognizer,
            self.optimizer,
            settings.build_schedule(),
            precision=self.precision,
            seed=config.run.seed,
            grad_clip=settings.grad_clip,
            micro_batch_size=config.data.micro_batch_size,
            device=device,
            processes=Processes(),
        )
        self._step = 0

    def __call__(self) -> Tensor:
        update = self._updater.make(self.batch, self._step, measure=False)
        self._step += 1
        return update.losses.total
