"""What a task brings to a run: its images, how they are prepared, how the network is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from arcface_plus.data.preparation import Preparation
from arcface_plus.data.sources import TrainingImages
from arcface_plus.models.classifier import Classifier
from arcface_plus.run_directory.model_file import Card
from arcface_plus.training.verifying import Verification


class Evaluate(Protocol):
    """The network in evaluation mode, and the class weights → the figures of the task."""

    def __call__(self, backbone: nn.Module, classifier: Classifier) -> Verification: ...


@dataclass(frozen=True)
class Material:
    """The same for all processes.

    digest: a hash of what training sees.
    shared_images: by target, how many of its images are also in the training set.
    """

    source: TrainingImages
    digest: str
    preparation: Preparation
    card: Card
    evaluate: Evaluate
    shared_images: Mapping[str, int] = field(default_factory=dict)
