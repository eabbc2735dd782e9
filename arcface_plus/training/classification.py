"""What a run of `task: classification` is built on: the two splits of its data set."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from arcface_plus.config.classification import ClassificationConfig
from arcface_plus.data.augmented import Augmented
from arcface_plus.data.channels import CENTRED, channels_of
from arcface_plus.evaluation.classification import ClassificationReport, classify_images, scoring
from arcface_plus.models.classifier import Classifier
from arcface_plus.run_directory.classifier_card import ClassifierCard
from arcface_plus.runtime import Processes
from arcface_plus.training.material import Material
from data_prep.class_imbalance import kept_samples
from data_prep.errors import UserError
from data_prep.labelled_images import LabelledImages, open_labelled_images
from data_prep.labelled_images.squares import single_view


def image_material(
    config: ClassificationConfig, processes: Processes, device: torch.device
) -> Material:
    """Both splits opened and checked; UserError if they cannot be trained and tested on."""
    source, test = _splits(config)
    data = config.data
    channels = CENTRED if data.normalize == "centred" else channels_of(source)
    augment = data.augment
    _check_padding(config, source.size)
    scaled_to = test.size[0] if augment.area is not None else None

    def evaluate(backbone: nn.Module, classifier: Classifier) -> ClassificationReport:
        scores = scoring(backbone, classifier)
        return ClassificationReport(classify_images(scores, test, channels, device))

    backbone, head = config.model.backbone, config.head
    return Material(
        source,
        source.digest(),
        Augmented(source.size, channels, **augment.model_dump(), side=scaled_to),
        ClassifierCard(
            backbone.name,
            backbone.parameters,
            head.name,
            head.parameters,
            source.classes,
            tuple(source.class_names[k] for k in range(source.classes)),
            test.size,
            channels.mean,
            channels.std,
            data.resize,
            data.crop,
        ),
        evaluate,
    )


def _splits(config: ClassificationConfig) -> tuple[LabelledImages, LabelledImages]:
    if config.data.train is None:
        raise UserError("missing key data.train (a folder): use --set data.train=FOLDER")
    folder = Path(config.data.train)
    source, test = (
        single_view(open_labelled_images(folder, split), config.data.resize, None)
        for split in ("train", "test")
    )
    height, width = source.size
    if height != width:
        raise UserError(f"{folder}: images are {width}×{height}; the networks take square ones")
    if test.size != source.size:
        raise UserError(
            f"{folder}: test images are {test.size[1]}×{test.size[0]}, training images "
            f"{width}×{height}"
        )
    if keep := config.data.imbalance.kept(source.classes):
        try:
            kept = kept_samples(source.labels, keep, config.run.seed)
        except UserError as error:
            raise UserError(f"data.imbalance: {folder}: {error}") from None
        source = source.subset(kept)
    try:
        test = single_view(test, None, config.data.crop)
    except ValueError as error:
        raise UserError(f"data.crop: {error} ({folder})") from None
    try:
        with torch.device("meta"):
            config.model.build_backbone(test.size[0])
    except ValueError as error:
        raise UserError(f"model.backbone: {error} ({folder})") from None
    return source, test


def _check_padding(config: ClassificationConfig, size: tuple[int, int]) -> None:
    augment = config.data.augment
    if augment.padding == "symmetric" and augment.pad > min(size):
        raise UserError(
            f"data.augment.pad: symmetric padding by {augment.pad} is wider than images of "
            f"{size[1]}×{size[0]}"
        )
