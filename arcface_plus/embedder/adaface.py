"""AdaFace's IR networks under our names: the same computation, so nothing is lost.

AdaFace (Kim et al., CVPR 2022) and the projects around it (TFace, CVLFace) call an IResNet's stem
`input_layer`, its units `body.N`, its end `output_layer`. Two things differ in form: the first unit
of a stage that keeps its channels shortens its shortcut by subsampling where an IResNet has a 1×1
convolution with batch norm, and the last batch norm has no weights. Both are written out here as
the convolution and the weights that do the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from data_prep.errors import DataError

DOUBT = (
    "tensors are named as AdaFace's, which takes BGR; TFace's and CVLFace's networks of these names"
    " take RGB"
)
_BN_EPS = 1e-5
_WIDTHS = (64, 128, 256, 512)
_NAMES = {
    "input_layer.0": "conv1", "input_layer.1": "bn1", "input_layer.2": "prelu",
    "output_layer.0": "bn2", "output_layer.3": "fc", "output_layer.4": "features",
}  # fmt: skip
_UNIT = {
    "res_layer.0": "bn1", "res_layer.1": "conv1", "res_layer.2": "bn2", "res_layer.3": "prelu",
    "res_layer.4": "conv2", "res_layer.5": "bn3",
    "shortcut_layer.0": "downsample.0", "shortcut_layer.1": "downsample.1",
}  # fmt: skip


def is_adaface(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the tensors are named as in AdaFace's net.py."""
    return "input_layer.0.weight" in state and any(name.startswith("body.0.") for name in state)


def as_iresnet(state: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an IR network under an IResNet's names.

    Raises:
        DataError: an IR-SE network, one with bottlenecks, or one without the end that goes with
            112×112 images.
    """
    others = any(".se_block." in name or ".res_layer.6." in name for name in state)
    if others or "body.0.res_layer.5.weight" not in state:
        raise DataError(
            f"{path}: an IR-SE or other variant of AdaFace's networks, not its plain IR; export it "
            "to ONNX with a 1×3×112×112 input and give that"
        )
    found = {}
    places = _places(state, path)
    for name, tensor in state.items():
        part, _, kind = name.rpartition(".")
        unit = re.fullmatch(r"body\.(\d{1,6})\.(.+)", part)
        if unit and int(unit[1]) < len(places):
            part = f"{places[int(unit[1])]}.{_UNIT.get(unit[2], unit[2])}"
        found[f"{_NAMES.get(part, part)}.{kind}"] = tensor
    for place in places:
        if place.endswith(".0") and f"{place}.downsample.0.weight" not in found:
            found |= _subsampling(place, len(found[f"{place}.conv2.weight"]))
    mean = found.get("features.running_mean", torch.zeros(0))
    return {
        "features.weight": torch.ones_like(mean),
        "features.bias": torch.zeros_like(mean),
    } | found


def _places(state: Mapping[str, torch.Tensor], path: Path) -> list[str]:
    """Unit N of the body → "layer2.0": a stage is all units of one width."""
    places: list[str] = []
    units = dict.fromkeys(_WIDTHS, 0)
    while (weight := state.get(f"body.{len(places)}.res_layer.4.weight")) is not None:
        width = weight.shape[0] if weight.ndim else 0
        if width not in units:
            raise DataError(f"{path}: body.{len(places)} is {width} channels wide, no IR network's")
        places.append(f"layer{_WIDTHS.index(width) + 1}.{units[width]}")
        units[width] += 1
    return places


def _subsampling(place: str, width: int) -> dict[str, torch.Tensor]:
    """A 1×1 convolution and batch norm that pass on what they get."""
    return {
        f"{place}.downsample.0.weight": torch.eye(width)[:, :, None, None],
        f"{place}.downsample.1.weight": torch.ones(width),
        f"{place}.downsample.1.bias": torch.zeros(width),
        f"{place}.downsample.1.running_mean": torch.zeros(width),
        f"{place}.downsample.1.running_var": torch.full((width,), 1 - _BN_EPS),
    }
