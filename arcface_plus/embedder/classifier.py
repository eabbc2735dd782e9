"""Load the network and the class weights of a classification run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from arcface_plus.config.tree import validate
from arcface_plus.data.channels import Channels
from arcface_plus.embedder.load import weights_in
from arcface_plus.embedder.state_dict_model import check_fit
from arcface_plus.models.classifier import Classifier
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.run_directory.classifier_card import TASK, ClassifierCard
from arcface_plus.run_directory.intact import check_checkpoint
from arcface_plus.run_directory.model_file import MODEL_CARD, MODEL_WEIGHTS, load_weights
from arcface_plus.run_directory.training_state import TRAINING_STATE, load_training
from data_prep.errors import DataError, UserError
from data_prep.json_file import read_json_mapping
from data_prep.labelled_images import LabelledImages


@dataclass(frozen=True, eq=False)
class LoadedClassifier:
    """In evaluation mode; `classifier.scores(network(channels.normalize(pixels)))`."""

    network: nn.Module
    classifier: Classifier
    card: ClassifierCard

    @property
    def channels(self) -> Channels:
        """The normalization that the network was trained with."""
        return Channels(self.card.mean, self.card.std)

    def check_images(self, images: LabelledImages, checkpoint: Path) -> None:
        """UserError (one line) if images of another size or of other classes were trained on."""
        card = self.card
        if images.size != card.input_size:
            ours, theirs = ("×".join(map(str, s[::-1])) for s in (card.input_size, images.size))
            raise UserError(
                f"{images.path}: images are {theirs}, but {checkpoint} was trained on {ours}"
            )
        names = tuple(images.class_names[k] for k in range(images.classes))
        if len(names) != card.classes:
            raise UserError(
                f"{images.path}: has {len(names)} classes, but {checkpoint} was trained on "
                f"{card.classes}"
            )
        if names != card.class_names:
            k = next(k for k in range(card.classes) if names[k] != card.class_names[k])
            raise UserError(
                f"{images.path}: class {k} is {names[k]!r}, but {card.class_names[k]!r} in "
                f"{checkpoint}"
            )


def is_of_classification(weights: Path) -> bool:
    """Whether model.json beside a model.safetensors is a classification run's."""
    card = weights.with_name(MODEL_CARD)
    return (
        weights.name == MODEL_WEIGHTS
        and card.is_file()
        and read_json_mapping(card).get("task") == TASK
    )


def load_classifier(path: str | Path, device: str | torch.device = "cpu") -> LoadedClassifier:
    """The last checkpoint of a run, or the checkpoint `path`.

    Raises:
        DataError: it is neither, is damaged, or belongs to a face run.
    """
    path = Path(path)
    if not path.is_dir():
        what = "is a file" if path.is_file() else "no such run or checkpoint"
        raise DataError(f"{path}: {what}; give a run or a checkpoint, which has class weights")
    checkpoint = weights_in(path).parent
    card = ClassifierCard.read(checkpoint / MODEL_CARD)
    if not (checkpoint / TRAINING_STATE).is_file():
        raise DataError(f"{path}: has no checkpoint, and so no class weights")
    check_checkpoint(checkpoint)
    tree = {
        "task": card.task,
        "run": {"name": path.name or "run"},
        "model": {"backbone": {"name": card.backbone, **card.parameters}},
        "head": {"name": card.head, **card.head_parameters},
    }
    config = validate(tree, str(checkpoint / MODEL_CARD))
    network = config.model.build_backbone(card.input_size[0])
    state = load_weights(checkpoint / MODEL_WEIGHTS)
    check_fit(network, state, checkpoint / MODEL_WEIGHTS, card.backbone)
    network.load_state_dict(state)
    weights = config.class_weights
    classifier = Classifier(weights.dimensions, card.classes, config.head.build())
    rows = {n.removeprefix("classifier."): t for n, t in read_rows(checkpoint).items()}
    own = {**load_training(checkpoint).classifier, **rows}
    kept = classifier.state_dict()
    if any(name not in own or own[name].shape != kept[name].shape for name in kept):
        raise DataError(f"{checkpoint}: its class weights do not fit its {MODEL_CARD}")
    classifier.load_state_dict({name: own[name] for name in kept})
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return LoadedClassifier(network.eval(), classifier.eval().to(device), card)
