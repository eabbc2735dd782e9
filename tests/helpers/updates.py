"""An updater of a few weights and a batch for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from arcface_plus.data.loader import Batch
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularizers import MMA
from arcface_plus.runtime import Processes
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.schedules import Step
from arcface_plus.training.update import Updater, UpdateSettings

CPU = torch.device("cpu")
RATE = 0.1


def updater(dropout: float = 0.0, seed: int = 0, momentum: float = 0.0, **settings: Any) -> Updater:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Dropout(dropout))
    recognizer = Recognizer(backbone, Classifier(8, 5, ArcFace(16.0)), MMA(), 0.1)
    optimizer = SGD(recognizer.parameters(), momentum=momentum, weight_decay=0.0)
    schedule = Step(RATE, 100, warmup_steps=2, milestones=())
    prepared = UpdateSettings("fp32", seed, **settings)
    return Updater(recognizer, optimizer, schedule, prepared, CPU, Processes())


def batch() -> Batch:
    images = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return Batch(images, torch.arange(6) % 5, np.arange(6), 0.0)


def weights(of: Updater) -> list[torch.Tensor]:
    return [p.detach().clone() for p in of.recognizer.parameters()]
