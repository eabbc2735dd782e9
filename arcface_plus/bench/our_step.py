"""The training step of `arcface-plus train`, on one batch and without a run directory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from arcface_plus.config.tree import RunConfig
from arcface_plus.data.loader import Batch
from arcface_plus.runtime import Processes
from arcface_plus.training.accumulation import batch_parts
from arcface_plus.training.assembly import build_recognizer, build_updater


class OurStep:
    """Each call makes one update on the given batch and returns the loss, on its device.

    The update is the trainer's between two logged steps, with the config's runtime settings, but
    without the check that the loss is finite (two small kernels). ``uncompiled``: why the network
    could not be compiled, or None.
    """

    def __init__(self, config: RunConfig, images: Tensor, labels: Tensor, classes: int) -> None:
        self.device = images.device
        images = images.contiguous(memory_format=torch.channels_last)
        self.batch = Batch(images, labels, np.arange(len(labels)), wait_seconds=0.0)
        self.parts = batch_parts(self.batch.sizes, config.data.micro_batch_size)
        self.recognizer = build_recognizer(config, classes)
        self._updater, self.uncompiled = build_updater(
            config, self.recognizer, self.device, Processes()
        )
        self.precision = self._updater.settings.precision
        self.optimizer = self._updater.optimizer
        self._step = 0

    def __call__(self) -> Tensor:
        update = self._updater.make(self.batch, self._step, measure=False)
        self._step += 1
        return update.losses.total
