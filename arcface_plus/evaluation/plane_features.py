"""The features of a network that has only two of them: points in the plane, one an image.

Figures 4 and 8 of "Learning towards Minimum Hyperspherical Energy" (Liu et al., NeurIPS 2018) show
MNIST so, with and without MHE, when nearly all training images of one digit are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.embedder.classifier import LoadedClassifier
from arcface_plus.evaluation.classification import normalized_batches
from arcface_plus.models.class_rows import class_rows
from data_prep.errors import UserError
from data_prep.files import replacing
from data_prep.labelled_images import LabelledImages
from eval.classification import ClassificationResult, classification, ranks

DIMENSIONS = 2


@dataclass(frozen=True, eq=False)
class PlaneFeatures:
    """What one model makes of the images of a split.

    features: (n, 2) float32. labels, predictions: (n,) int64. class_weights: (classes, 2) float32,
    the mean of the unit rows of a class with sub-centres. class_names: (classes,).
    rare: the classes of which training saw fewest images on purpose; empty if it saw all.
    """

    checkpoint: str
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    class_weights: NDArray[np.float32]
    class_names: tuple[str, ...]
    result: ClassificationResult
    rare: tuple[int, ...] = ()


def plane_features(
    checkpoint: str,
    loaded: LoadedClassifier,
    images: LabelledImages,
    device: torch.device,
    rare: tuple[int, ...] = (),
    batch_size: int = 500,
) -> PlaneFeatures:
    """The features of all images, from a single view of each.

    Raises:
        UserError: the network has another number of features than two.
    """
    dimensions = loaded.network.embedding_dim
    if dimensions != DIMENSIONS:
        raise UserError(
            f"{checkpoint}: its network has {dimensions} features, only two can be drawn; "
            "train with model.backbone.name=mnist_2d or model.backbone.embedding_dim=2"
        )
    features, predictions, found = [], [], []
    for start, pixels in normalized_batches(images, loaded.channels, device, batch_size):
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            points = loaded.network(pixels)
            scores = loaded.classifier.scores(points).float().cpu().numpy()
        features.append(points.float().cpu().numpy())
        predictions.append(scores.argmax(axis=1))
        found.append(ranks(scores, images.labels[start : start + len(scores)], start))
    return PlaneFeatures(
        checkpoint=checkpoint,
        features=np.concatenate(features),
        labels=images.labels,
        predictions=np.concatenate(predictions),
        class_weights=class_rows(loaded.classifier.weight).detach().float().cpu().numpy(),
        class_names=loaded.card.class_names,
        result=classification(np.concatenate(found), images.labels, images.classes),
        rare=rare,
    )


def write_npz(path: Path, models: Sequence[PlaneFeatures]) -> None:
    """Points and class weights of models on the same images, for programs of others.

    Arrays: `checkpoints` (m,), `features` (m, n, 2), `predictions` (m, n), `class_weights`
    (m, classes, 2), `labels` (n,), `class_names` (classes,).
    """
    with replacing(path) as file:
        np.savez_compressed(
            file,
            checkpoints=np.array([model.checkpoint for model in models]),
            features=np.stack([model.features for model in models]),
            predictions=np.stack([model.predictions for model in models]),
            class_weights=np.stack([model.class_weights for model in models]),
            labels=models[0].labels,
            class_names=np.array(models[0].class_names),
        )
