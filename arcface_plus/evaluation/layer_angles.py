"""Angles of a network's layers: how far apart the filters of each layer point.

Every layer is a matrix of one row a filter (a convolution flattened), every row has an angle to its
nearest other row, and a layer is described by the smallest and the mean of these: what figure 1 of
the supplement to "MMA Regularization" (NeurIPS 2020) draws, and what MMA enlarges.
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

from arcface_plus.embedder.load import load_model, weights_in
from arcface_plus.embedder.state_dict_model import BackboneChoice
from arcface_plus.models.regularizers import nearest_angles
from arcface_plus.run_directory.training_state import load_training
from data_prep.errors import DataError, printable
from data_prep.files import replacing, write_text

CLASSIFIER = "classifier"
DEPTHWISE = "depthwise convolution"


@dataclass(frozen=True)
class LayerAngles:
    """One layer: `rows` directions in `dimensions`; degrees to the nearest other row.

    kind: convolution, linear, classifier or depthwise convolution (where each filter sees a channel
    or group of its own, so that rows are short and close neighbours the rule). Rows of zeros have
    no direction and are left out; both angles are None where fewer than two rows are left.
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
    """A model's layers in the order of its parameters, the classifier last if it is there."""

    checkpoint: str
    backbone: str
    step: int | None
    layers: list[LayerAngles]
    classifier_absent: str
    """Why there is no classifier among the layers; "" if there is one."""


def measure(path: Path, backbone: BackboneChoice | None = None) -> ModelAngles:
    """The angles of a model file of any kind but ONNX. UserError (one line) if it is unreadable."""
    given = str(path)
    if path.is_dir():
        path = weights_in(path)
    model = load_model(path, backbone)
    layers = [_layer(path, *found) for found in _matrices(model.network)]
    training = path.parent / "training.pt"
    absent = ""
    if training.is_file() and path.suffix == ".safetensors":
        weight = load_training(path.parent).classifier["weight"]
        layers.append(_layer(path, CLASSIFIER, "classifier", weight))
    else:
        absent = "exported models hold no class weights; give the checkpoint or run"
    step = model.card.step if model.card else None
    return ModelAngles(given, model.name, step, layers, absent)


def _matrices(network: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
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
        raise DataError(f"{path}: the weights of {name} are not finite; did the run diverge?")
    zeros = int((weight == 0).all(dim=1).sum())
    if rows - zeros < 2:
        return LayerAngles(name, kind, rows, dimensions, zeros, None, None)
    found = nearest_angles(weight)
    return LayerAngles(
        name, kind, rows, dimensions, zeros,
        math.degrees(float(found.smallest())), math.degrees(float(found.mean())),
    )  # fmt: skip


def labels(models: Sequence[ModelAngles]) -> list[str]:
    """What to call each model: the last part of its path, or more where these are alike."""
    for parts in range(1, 8):
        short = ["/".join(Path(model.checkpoint).parts[-parts:]) for model in models]
        if len(set(short)) == len(models):
            return short
    return [f"{number + 1}: {model.checkpoint}" for number, model in enumerate(models)]


def layer_names(models: Sequence[ModelAngles]) -> list[str]:
    """The layers of all models, in the order of the first that has them; the classifier last."""
    names = dict.fromkeys(layer.name for model in models for layer in model.layers)
    classifier = [CLASSIFIER] if CLASSIFIER in names else []
    return [name for name in names if name != CLASSIFIER] + classifier


def write_json(path: Path, models: Sequence[ModelAngles]) -> None:
    content = {"schema": 1, "models": [asdict(model) for model in models]}
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_png(path: Path, models: Sequence[ModelAngles]) -> None:
    """Two panels over the layers: mean and smallest nearest-neighbour angle, one line a model.

    Depthwise convolutions are hollow marks beside the line: their rows are too short to compare.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = layer_names(models)
    figure = Figure(figsize=(max(7.0, min(16.0, 2 + 0.22 * len(names))), 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    mean, smallest = figure.subplots(2, 1, sharex=True)
    for number, (label, model) in enumerate(zip(labels(models), models, strict=True)):
        _plot(mean, model, "mean_deg", names, label, number)
        _plot(smallest, model, "smallest_deg", names, label, number)
    mean.set_title("Angle of each filter to its nearest other filter in the layer")
    legend = mean.legend(fontsize=8, title="hollow: depthwise", title_fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a `$` in a file's name begins no formula
    every = max(1, math.ceil(len(names) / 60))  # names that would overlap are left out
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
    """One angle of a model's layers over the places of their names; `number` chooses the style."""
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
            # Matplotlib leaves out of the legend what begins with an underscore.
            label=None if hollow else " " * label.startswith("_") + printable(label),
        )
