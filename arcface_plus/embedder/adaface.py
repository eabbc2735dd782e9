"""Convert AdaFace's IR networks to the equivalent IResNets.

AdaFace (Kim et al., CVPR 2022) and related projects (TFace, CVLFace) call an IResNet's stem
`input_layer`, its units `body.N` and its last layers `output_layer`. Two details differ: if the
first unit of a stage keeps the number of channels, its shortcut subsamples where an IResNet has a
1×1 convolution with batch norm; and the last batch norm has no weights. Both are replaced here by
an equivalent convolution and equivalent weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from data_prep.errors import DataError

DOUBT = (
    "tensor names are AdaFace's, whose networks take BGR; TFace's and CVLFace's networks have the "
    "same names and take RGB"
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
    """Whether the tensors have the names of AdaFace's net.py."""
    return "input_layer.0.weight" in state and any(name.startswith("body.0.") for name in state)


def as_iresnet(state: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an IR network, renamed to an IResNet's names.

    Raises:
        DataError: an IR-SE network, one with bottlenecks, or one whose last layers are not for
            112×112 images.
    """
    others = any(".se_block." in name or ".res_layer.6." in name for name in state)
    if others or "body.0.res_layer.5.weight" not in state:
        raise DataError(
            f"{path}: an IR-SE or other variant of AdaFace's networks; only plain IR is supported. "
            "Export it to ONNX with a 1×3×112×112 input and use the .onnx file"
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
    """Name of each unit of the body, e.g. "layer2.0"; a stage is all units of one width."""
    places: list[str] = []
    units = dict.fromkeys(_WIDTHS, 0)
    while (weight := state.get(f"body.{len(places)}.res_layer.4.weight")) is not None:
        width = weight.shape[0] if weight.ndim else 0
        if width not in units:
            raise DataError(
                f"{path}: body.{len(places)} has {width} channels; no IR network has that width"
            )
        places.append(f"layer{_WIDTHS.index(width) + 1}.{units[width]}")
        units[width] += 1
    return places


def _subsampling(place: str, width: int) -> dict[str, torch.Tensor]:
    """The weights of a 1×1 convolution and batch norm that compute the identity."""
    return {
        f"{place}.downsample.0.weight": torch.eye(width)[:, :, None, None],
        f"{place}.downsample.1.weight": torch.ones(width),
        f"{place}.downsample.1.bias": torch.zeros(width),
        f"{place}.downsample.1.running_mean": torch.zeros(width),
        f"{place}.downsample.1.running_var": torch.full((width,), 1 - _BN_EPS),
    }
