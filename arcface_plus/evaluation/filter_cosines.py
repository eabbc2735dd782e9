"""How often each cosine occurs between two filters of a layer.

Figure 1 of "MMA Regularization" (NeurIPS 2020) draws it for the first layer of VGG19-BN, 64 filters
of 27 weights, and counts the pairs with a cosine above 0.2.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.embedder.load import weights_in
from arcface_plus.embedder.state_dict_model import BackboneChoice
from arcface_plus.evaluation.layer_angles import (
    CLASSIFIER,
    class_weights_beside,
    load_network,
    matrices,
)
from data_prep.errors import DataError, UserError
from data_prep.files import write_text

HIGH = 0.2
"""The paper counts the cosines above this."""

BINS = 100
"""Equal bins over −1 … 1."""

_BLOCK = 1024


@dataclass(frozen=True)
class FilterCosines:
    """One layer of one model: `counts` of its pairs of filters in `BINS` bins, each pair once.

    Filters of zeros have no direction and are left out. `above`: pairs with a cosine above `HIGH`;
    `largest`: None without pairs.
    """

    checkpoint: str
    layer: str
    filters: int
    dimensions: int
    pairs: int
    above: int
    largest: float | None
    counts: tuple[int, ...]


def measure(
    path: Path, layers: Sequence[str] = (), backbone: BackboneChoice | None = None
) -> list[FilterCosines]:
    """The layers of a model file (any kind except ONNX) by name; without names, the first one.

    Raises:
        UserError: the file cannot be read, or has no layer of that name.
    """
    given = str(path)
    if path.is_dir():
        path = weights_in(path)
    weights = {name: weight for name, _, weight in matrices(load_network(path, backbone)[0])}
    of_classes = class_weights_beside(path)
    if of_classes is not None:
        weights[CLASSIFIER] = of_classes
    for name in layers:
        if name not in weights:
            near = difflib.get_close_matches(name, weights, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(weights)}"
            raise UserError(f"{given}: has no layer {name}; {hint}")
    chosen = layers or [next(iter(weights))]
    for name in chosen:
        if not torch.isfinite(weights[name]).all():
            raise DataError(f"{given}: the weights of {name} are not finite; did the run diverge?")
    return [cosines(given, name, weights[name]) for name in chosen]


def cosines(checkpoint: str, layer: str, weight: Tensor) -> FilterCosines:
    """The cosines of all pairs of the rows of (n, d), in float64 and blocks of rows."""
    rows = weight.double()
    rows = F.normalize(rows[(rows != 0).any(dim=1)], dim=1)
    counts, above, largest = np.zeros(BINS, np.int64), 0, -1.0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK] @ rows[start:].T
        upper = torch.ones_like(block, dtype=torch.bool).triu(1)  # each pair once
        found = block[upper].clamp(-1, 1).numpy()
        counts += np.histogram(found, BINS, (-1, 1))[0]
        above += int((found > HIGH).sum())
        largest = max(largest, float(found.max(initial=-1.0)))
    pairs = len(rows) * (len(rows) - 1) // 2
    return FilterCosines(
        checkpoint, layer, len(weight), weight.shape[1], pairs, above,
        largest if pairs else None, tuple(counts.tolist()),
    )  # fmt: skip


def write_json(path: Path, found: Sequence[FilterCosines]) -> None:
    content = {"schema": 1, "above": HIGH, "bins": [-1.0, 1.0, BINS]}
    content["layers"] = [asdict(each) for each in found]
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
