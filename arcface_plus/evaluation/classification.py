"""A classifier on the images of a split: its accuracies, and the file that holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from arcface_plus.data.channels import Channels
from arcface_plus.models.classifier import Classifier
from data_prep.errors import DataError
from data_prep.files import write_text
from data_prep.labelled_images import LabelledImages
from eval.classification import ClassificationResult, classification, ranks


def classify_images(
    logits: Callable[[Tensor], Tensor],
    images: LabelledImages,
    channels: Channels,
    device: torch.device,
    batch_size: int = 500,
) -> ClassificationResult:
    """Top-1, top-5 and the error of each class, from a single view of each image.

    Args:
        logits: a network in evaluation mode with its classifier: (n, 3, h, w) float32, normalized,
            on `device` → (n, classes).
        channels: the normalization that the network was trained with.

    Raises:
        DataError: the classifier has another number of classes than the images.
        UserError: an image has logits that are not finite.
    """
    found = []
    for start, pixels in normalized_batches(images, channels, device, batch_size):
        with torch.inference_mode():
            scores = logits(pixels).float().cpu().numpy()
        if scores.shape[1] != images.classes:
            raise DataError(
                f"{images.path}: has {images.classes} classes, the classifier {scores.shape[1]}"
            )
        found.append(ranks(scores, images.labels[start : start + len(scores)], start))
    return classification(np.concatenate(found), images.labels, images.classes)


def normalized_batches(
    images: LabelledImages, channels: Channels, device: torch.device, batch_size: int
) -> Iterator[tuple[int, Tensor]]:
    """The number of each batch's first image, and the batch: (n, 3, h, w) float32 on `device`."""
    for start in range(0, len(images), batch_size):
        indices = np.arange(start, min(start + batch_size, len(images)))
        pixels = np.require(images.batch(indices), requirements=["C", "W"])
        yield start, channels.normalize(torch.from_numpy(pixels).to(device))


def scoring(network: nn.Module, classifier: Classifier) -> Callable[[Tensor], Tensor]:
    """Images → scores, in float32 without TF32, so that results do not depend on the machine."""

    def scores(images: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return classifier.scores(network(images))

    return scores


@dataclass(frozen=True)
class ClassificationReport:
    """An evaluation on the test split, as training and `eval classify` write it."""

    result: ClassificationResult

    @property
    def accuracies(self) -> dict[str, float]:
        """Top-1 accuracy of the test split."""
        return {"test": self.result.top1}

    def write(self, file: Path, checkpoint: str) -> None:
        content = {"schema": 1, "checkpoint": checkpoint} | self.result.to_json()
        write_text(file, json.dumps(content, indent=2) + "\n")
