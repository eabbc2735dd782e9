"""The angles between the filters of each layer of a network.

Every layer is a matrix with one row per filter (a convolution is flattened). Each row has an angle
to its nearest other row; a layer is described by the smallest and the mean of these angles. Figure
1 of the supplement to "MMA Regularization" (NeurIPS 2020) plots them; MMA increases them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from arcface_plus.embedder.classifier import is_of_classification, load_classifier
from arcface_plus.embedder.load import load_model, weights_in
from arcface_plus.embedder.state_dict_model import BackboneChoice
from arcface_plus.evaluation.model_labels import labels
from arcface_plus.models.class_rows import class_rows
from arcface_plus.models.regularizers import nearest_angles
from arcface_plus.run_directory.training_state import load_class_weights
from data_prep.errors import DataError, printable
from data_prep.files import replacing, write_text

CLASSIFIER = "classifier"
DEPTHWISE = "depthwise convolution"


@dataclass(frozen=True)
class LayerAngles:
    """One layer: `rows` filters with `dimensions` weights; angles to the nearest other in degrees.

    kind: convolution, linear, classifier or depthwise convolution (each filter sees only its own
    channel or group, so rows are short and angles usually small). Rows of zeros have no direction
    and are left out; both angles are None if fewer than two rows remain.
    """

    name: str
    kind: str
    rows: int
    dimensions: int
    zero_rows: int
    smallest_deg: float | None
    mean_deg: float | None


@dataclass(frozen=True)
class ModelAngles:
    """A model's layers in the order of its parameters; the classifier, if present, is last."""

    checkpoint: str
    backbone: str
    step: int | None
    layers: list[LayerAngles]
    classifier_absent: str
    """Why there is no classifier among the layers; "" if there is one."""


def measure(path: Path, backbone: BackboneChoice | None = None) -> ModelAngles:
    """The angles of a model file (any kind except ONNX); UserError (one line) if unreadable."""
    given = str(path)
    if path.is_dir():
        path = weights_in(path)
    network, name, step = load_network(path, backbone)
    layers = measured_layers(path, network)
    weight = class_weights_beside(path)
    absent = ""
    if weight is not None:
        layers.append(_layer(path, CLASSIFIER, "classifier", weight))
    else:
        absent = "exported models have no class weights; give the checkpoint or run"
    return ModelAngles(given, name, step, layers, absent)


def class_weights_beside(path: Path) -> Tensor | None:
    """One row a class, (classes, d), of a checkpoint's model.safetensors; None of other files."""
    if path.suffix != ".safetensors" or not (path.parent / "training.pt").is_file():
        return None
    return class_rows(load_class_weights(path.parent))


def load_network(
    path: Path, backbone: BackboneChoice | None = None
) -> tuple[nn.Module, str, int | None]:
    """The network of a face model's file, or of a classification run's; its name and its step."""
    if is_of_classification(path):
        loaded = load_classifier(path.parent)
        return loaded.network, loaded.card.backbone, loaded.card.step
    model = load_model(path, backbone)
    return model.network, model.name, model.card.step if model.card else None


def measured_layers(path: Path, network: nn.Module) -> list[LayerAngles]:
    """The layers of a network in the order of its parameters; `path` is for messages."""
    return [_layer(path, *found) for found in matrices(network)]


def matrices(network: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
    """Name, kind and (rows, dimensions) weight of each convolution and linear layer."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            kind = "convolution" if module.groups == 1 else DEPTHWISE
            yield name, kind, module.weight.detach().flatten(1)
        elif isinstance(module, nn.Linear):
            yield name, "linear", module.weight.detach()


def _layer(path: Path, name: str, kind: str, weight: Tensor) -> LayerAngles:
    rows, dimensions = weight.shape
    if not torch.isfinite(weight).all():
        raise DataError(f"{path}: the weights of {name} are not finite; the run may have diverged")
    zeros = int((weight == 0).all(dim=1).sum())
    if rows - zeros < 2:
        return LayerAngles(name, kind, rows, dimensions, zeros, None, None)
    found = nearest_angles(weight)
    return LayerAngles(
        name, kind, rows, dimensions, zeros,
        math.degrees(float(found.smallest())), math.degrees(float(found.mean())),
    )  # fmt: skip


def layer_names(models: Sequence[ModelAngles]) -> list[str]:
    """The layers of all models, in the order of the first model that has them; classifier last."""
    names = dict.fromkeys(layer.name for model in models for layer in model.layers)
    classifier = [CLASSIFIER] if CLASSIFIER in names else []
    return [name for name in names if name != CLASSIFIER] + classifier


def write_json(path: Path, models: Sequence[ModelAngles]) -> None:
    content = {"schema": 1, "models": [asdict(model) for model in models]}
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_png(path: Path, models: Sequence[ModelAngles]) -> None:
    """Two panels over the layers: mean and smallest nearest-neighbour angle, one line per model.

    Depthwise convolutions are hollow markers without a line: their rows are too short to compare.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = layer_names(models)
    shown = labels([model.checkpoint for model in models])
    figure = Figure(figsize=(max(7.0, min(16.0, 2 + 0.22 * len(names))), 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    mean, smallest = figure.subplots(2, 1, sharex=True)
    for number, (label, model) in enumerate(zip(shown, models, strict=True)):
        _plot(mean, model, "mean_deg", names, label, number)
        _plot(smallest, model, "smallest_deg", names, label, number)
    mean.set_title("Angle of each filter to its nearest other filter in the layer")
    legend = mean.legend(fontsize=8, title="hollow: depthwise", title_fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a `$` in a file name is not a formula
    every = max(1, math.ceil(len(names) / 60))  # skip names that would overlap
    ticks = sorted({*range(0, len(names), every), len(names) - 1})
    smallest.set_xticks(ticks, [names[k] for k in ticks], rotation=90, fontsize=7)
    for axes, what in ((mean, "mean, degrees"), (smallest, "smallest, degrees")):
        axes.set_ylabel(what)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    with replacing(path) as file:
        figure.savefig(file, dpi=120, format="png")


_STYLES = [("#4c72b0", "o", "-"), ("#dd8452", "s", "--"), ("#55a868", "^", "-."),
           ("#c44e52", "D", ":")]  # fmt: skip


def _plot(
    axes: Any, model: ModelAngles, angle: str, names: Sequence[str], label: str, number: int
) -> None:
    """Plot one angle of a model's layers at their positions in `names`; `number` sets the style."""
    colour, marker, line = _STYLES[number % len(_STYLES)]
    of_name = {layer.name: layer for layer in model.layers}
    for hollow in (False, True):
        layers = [
            (place, of_name[name])
            for place, name in enumerate(names)
            if name in of_name and (of_name[name].kind == DEPTHWISE) == hollow
        ]
        points = [(place, getattr(layer, angle)) for place, layer in layers]
        known = [(place, degrees) for place, degrees in points if degrees is not None]
        axes.plot(
            *zip(*known, strict=True) if known else ([], []),
            linestyle="none" if hollow else line,
            color=colour,
            marker=marker,
            markersize=4,
            fillstyle="none" if hollow else "full",
            # Matplotlib omits labels that start with an underscore from the legend.
            label=None if hollow else " " * label.startswith("_") + printable(label),
        )
