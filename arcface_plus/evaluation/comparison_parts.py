"""Parts of reports that `eval` cannot read itself: class weights and the images of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcface_plus.evaluation.layer_angles import DEPTHWISE, load_network, measured_layers
from arcface_plus.evaluation.verification import pairs_digest, target_file
from arcface_plus.models.class_rows import class_rows
from arcface_plus.models.regularizers import nearest_angles
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.model_file import MODEL_WEIGHTS
from arcface_plus.run_directory.training_state import load_class_weights
from data_prep.errors import UserError
from data_prep.pairs import read_pairs
from eval.report.layer_angles import Layer
from eval.runs import Run


def class_angles(runs: Sequence[Run]) -> dict[str, NDArray[np.float64]]:
    """Each class's angle to its nearest other class, in degrees, by run, from the last checkpoint.

    Runs without checkpoints (verification files, or deleted checkpoints) are left out.
    """
    found = {}
    for run in runs:
        last = Checkpoints(run.directory, keep=1).last() if run.directory else None
        if last is None:
            continue
        weight = class_rows(load_class_weights(last))
        if len(weight) < 2:
            continue
        nearest = nearest_angles(weight)
        angles = nearest.angle[nearest.counted].double().numpy() * (180 / math.pi)
        if len(angles) and np.isfinite(angles).all():
            found[run.name] = angles
    return found


def layer_angles(runs: Sequence[Run]) -> dict[str, list[Layer]]:
    """The angles between the filters of each layer, by run, from the last checkpoint.

    Runs without checkpoints or weights in them are left out, and so are depthwise convolutions,
    whose filters are too short to compare, and layers of fewer than two filters.
    """
    found = {}
    for run in runs:
        last = Checkpoints(run.directory, keep=1).last() if run.directory else None
        if last is None or not (file := last / MODEL_WEIGHTS).is_file():
            continue
        layers = measured_layers(file, load_network(file)[0])
        found[run.name] = [
            Layer(layer.name, layer.smallest_deg, layer.mean_deg)
            for layer in layers
            if layer.kind != DEPTHWISE
            and layer.smallest_deg is not None
            and layer.mean_deg is not None
        ]
    return found


def pair_images(runs: Sequence[Run], data: Path) -> dict[str, list[bytes]]:
    """The encoded images of DATA/<target>.bin, for every target that any run was verified on.

    Raises:
        UserError: a file is missing, or its pairs are not those that were verified.
    """
    images = {}
    for target in dict.fromkeys(name for run in runs for name in run.results.verified):
        file = target_file(data, target)
        images[target], same = read_pairs(file)
        digest = pairs_digest(images[target], same)
        for run in runs:
            result = run.results.verified.get(target)
            if result is None:
                continue
            if result.pairs != len(same) or result.pairs_sha256 not in (None, digest):
                raise UserError(
                    f"{file}: not the pairs that {run.name} was verified on; give the folder it "
                    "was verified with as --data, or leave --data out"
                )
    return images
