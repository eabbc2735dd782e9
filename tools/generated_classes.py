"""Classes without images: random prototypes, and features at a chosen angle from them.

They stand for what a network makes of faces, so that class weights, loss and regularizer of any
size can be trained on a CPU by the package's own code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.influence import Influence
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import MMA
from arcface_plus.training.schedules import Schedule


@dataclass(frozen=True)
class GeneratedClasses:
    """Each class is a direction; each of its features is at an angle from it (degrees, normal with
    mean ``angle`` and deviation ``spread``) in a random direction.

    ``decay``: coordinate k of these directions has a deviation of k^−decay. With 0 all directions
    are alike; with more, a network can learn which ones say nothing about the class.
    """

    classes: int
    dimensions: int
    angle: float
    spread: float = 8.0
    decay: float = 0.0
    seed: int = 0

    def prototypes(self) -> Tensor:
        """(classes, dimensions), unit rows."""
        return _prototypes(self.classes, self.dimensions, self.seed)

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Features (size, dimensions), unit rows, and labels (size,); every class equally often."""
        positions = range(step * size, (step + 1) * size)
        labels = torch.tensor(
            [int(_order(self.classes, self.seed, p // self.classes)[p % self.classes])
             for p in positions]
        )  # fmt: skip
        drawn = torch.Generator().manual_seed(self.seed * 1_000_003 + step + 1)
        centre = self.prototypes()[labels]
        noise = torch.randn(size, self.dimensions, generator=drawn)
        noise *= torch.arange(1.0, self.dimensions + 1.0) ** -self.decay
        across = F.normalize(noise - (noise * centre).sum(1, keepdim=True) * centre)
        angle = torch.randn(size, 1, generator=drawn) * self.spread + self.angle
        angle = (angle.clamp(1.0, 120.0) * math.pi / 180.0).to(centre)
        return angle.cos() * centre + angle.sin() * across, labels


@lru_cache(maxsize=2)
def _prototypes(classes: int, dimensions: int, seed: int) -> Tensor:
    # Not the numbers of torch.manual_seed(seed), which initial class weights are drawn from.
    drawn = torch.Generator().manual_seed(seed + 4_000_000_007)
    return F.normalize(torch.randn(classes, dimensions, generator=drawn))


@lru_cache(maxsize=4)
def _order(classes: int, seed: int, epoch: int) -> Tensor:
    drawn = torch.Generator().manual_seed(seed * 7_919 + epoch)
    return torch.randperm(classes, generator=drawn)


def recognizer(faces: GeneratedClasses, weight: float, embedding: str = "fixed") -> Recognizer:
    """ArcFace (s = 64, m = 0.5) + ``weight`` · MMA; the class weights are random.

    ``embedding``: fixed (the features are the embeddings, only class weights learn) or linear (a
    square matrix, at first the identity, and batch norm make embeddings of them and learn too).
    """
    backbone: nn.Module = nn.Identity()
    if embedding == "linear":
        layer = nn.Linear(faces.dimensions, faces.dimensions, bias=False)
        nn.init.eye_(layer.weight)
        backbone = nn.Sequential(layer, nn.BatchNorm1d(faces.dimensions))
    classifier = Classifier(faces.dimensions, faces.classes, ArcFace(64.0, 0.5))
    return Recognizer(backbone, classifier, MMA(), weight)


@torch.no_grad()
def start_at_prototypes(model: Recognizer, faces: GeneratedClasses, norm: float) -> None:
    """Class weights in the directions of their classes, ``norm`` long."""
    model.classifier.weight.copy_(norm * faces.prototypes())


class Step(NamedTuple):
    losses: Losses
    influence: Influence | None
    """If measured, and the weight of MMA is not 0."""


class Batches(Protocol):
    """What a training reads."""

    @property
    def classes(self) -> int: ...

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Inputs of the backbone and labels, a function of the step."""
        ...


class Training:
    """SGD with the recipe's momentum and weight decay on generated batches."""

    def __init__(self, faces: Batches, model: Recognizer, schedule: Schedule, batch: int) -> None:
        self.faces, self.model, self.schedule, self.batch = faces, model, schedule, batch
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=schedule.at(0), momentum=0.9, weight_decay=5e-4
        )
        self.step = 0

    def update(self, measure: bool = False) -> Step:
        """One update of the weights."""
        self.optimizer.param_groups[0]["lr"] = self.schedule.at(self.step)
        features, labels = self.faces.batch(self.step, self.batch)
        step = gradient(self.model, features, labels, measure)
        self.optimizer.step()
        self.step += 1
        return step


def gradient(model: Recognizer, features: Tensor, labels: Tensor, measure: bool) -> Step:
    """Forward and backward pass; the gradients of before are dropped."""
    model.zero_grad(set_to_none=True)
    model.regularizer.measuring = measure
    losses = model(features, labels)
    losses.total.backward()
    found = list(model.regularizer.influences().values()) if measure else []
    return Step(losses, found[0] if found else None)
