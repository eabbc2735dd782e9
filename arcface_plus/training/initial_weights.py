"""The weights that a run starts from (`model.init`): of another run, a checkpoint or a model file.

The backbone must fit. The classes are taken over from a checkpoint that was trained on the same
training set, since class k is then the same person in both: their weights, biases and the head's
statistics. Optimizer, schedule and what regularizers remember begin anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from arcface_plus.config.tree import RunConfig
from arcface_plus.embedder.load import load_model, weights_in
from arcface_plus.embedder.state_dict_model import check_fit
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.class_files import read_rows
from arcface_plus.run_directory.manifest import check_files, read_manifest
from arcface_plus.run_directory.together import in_first, together
from arcface_plus.run_directory.training_state import (
    TRAINING_STATE,
    Conditions,
    Training,
    load_training,
)
from arcface_plus.runtime import Processes
from data_prep.errors import UserError

_CLASSIFIER, _HEAD, _WEIGHT = "classifier.", "head.", "weight"
_KINDS = {_WEIGHT: "class weights", "bias": "biases"}


@dataclass(frozen=True, eq=False)
class InitialWeights:
    """Weights that fit a run's backbone, and the checkpoint they are from if its classes are ours.

    backbone: tensors by name. training: of the checkpoint `source`, None without classes.
    no_classes: why the classes are not taken over; "" if they are.
    """

    source: Path
    backbone: Mapping[str, Tensor]
    training: Training | None = None
    no_classes: str = ""

    def load_into(self, recognizer: Recognizer) -> str:
        """Load them; each process reads its own rows. Says what was taken over, and what not."""
        recognizer.backbone.load_state_dict(self.backbone)
        if self.training is None:
            return self._backbone_only(self.no_classes)
        classifier = recognizer.classifier
        ours = classifier.state_dict()
        given = _classes(self.source, self.training, classifier.shards)
        taken = {name: t for name, t in given.items() if name in ours and _fits(t, ours[name])}
        if _WEIGHT not in taken:
            return self._backbone_only("its head has another number of rows per class")
        statistics = {name for name in ours if name.startswith(_HEAD)}
        if not statistics <= taken.keys():  # of another head
            taken = {name: t for name, t in taken.items() if name not in statistics}
        classifier.load_state_dict(ours | taken)
        anew = _kinds(ours.keys() - taken.keys())
        begins = f"; {anew} begin anew, it has none for this head" if anew else ""
        return f"starts from {self.source}: backbone, {_kinds(taken)}{begins}"

    def _backbone_only(self, reason: str) -> str:
        return f"starts from {self.source}: backbone only; classes begin anew, since {reason}"


def read_initial_weights(
    config: RunConfig, run: Path, now: Conditions, processes: Processes
) -> InitialWeights | None:
    """What `model.init` names, None if it is not set (collective).

    run: the directory that the new run is to be trained in. now: the conditions of the new run.

    Raises:
        UserError: there is no such model, it is damaged, or its backbone does not fit; or it lies
            in `run`.
    """
    if config.initial_weights is None:
        return None
    given = Path(config.initial_weights)
    if run.resolve() in (given.resolve(), *given.resolve().parents):
        raise UserError(
            f"{given}: a run cannot start from weights in its own directory; choose another --out"
        )
    # One decision for all: a run in progress may write a newer checkpoint meanwhile.
    weights = in_first(processes, lambda: weights_in(given) if given.is_dir() else given)
    found: list[InitialWeights] = []
    together(processes, lambda: found.append(_read(given, weights, config, now, processes)))
    return found[0]


def _read(
    given: Path, weights: Path, config: RunConfig, now: Conditions, processes: Processes
) -> InitialWeights:
    state = load_model(weights).network.state_dict()
    model = config.model
    with torch.device("meta"):
        backbone = model.build_backbone()
    dimensions = config.class_weights.dimensions
    wanted = f"model.backbone {model.backbone.name} with {dimensions} dimensions"
    check_fit(backbone, state, given, wanted)
    checkpoint = weights.parent
    if not given.is_dir() or not (checkpoint / TRAINING_STATE).is_file():
        return InitialWeights(given, state, no_classes="it has no class weights")
    training = load_training(checkpoint)
    if reason := _other_classes(training, now):
        return InitialWeights(checkpoint, state, no_classes=reason)
    manifest = read_manifest(checkpoint)
    parts = [name for *_, name in manifest.parts] if manifest else []
    check_files(checkpoint, parts[processes.rank :: processes.count])
    return InitialWeights(checkpoint, state, training)


def _other_classes(training: Training, now: Conditions) -> str:
    """Why class k of a checkpoint need not be class k of the training set; "" if it is."""
    if training.classes != now.classes:
        return f"it has {training.classes} classes, data.train has {now.classes}"
    if training.data_digest != now.data_digest:
        return "its classes may be others: it was trained on other images or labels"
    return ""


def _classes(checkpoint: Path, training: Training, shards: Shards) -> dict[str, Tensor]:
    """The state of the checkpoint's classifier, by the names of ours: the rows of this process."""
    if training.rows_apart:
        rows = read_rows(checkpoint, shards.own, _CLASSIFIER)
        own = {name.removeprefix(_CLASSIFIER): tensor for name, tensor in rows.items()}
        return {**training.classifier, **own}
    return {
        name: tensor if name.startswith(_HEAD) else tensor[shards.own]
        for name, tensor in training.classifier.items()
    }


def _fits(given: Tensor, ours: Tensor) -> bool:
    return given.shape == ours.shape and given.dtype == ours.dtype


def _kinds(names: Collection[str]) -> str:
    """What tensors of a classifier are."""
    found = [kind for name, kind in _KINDS.items() if name in names]
    if any(name.startswith(_HEAD) for name in names):
        found.append("head statistics")
    return ", ".join(found)
