"""arcface_torch's state dicts (`backbone.pth` of its model zoo) by inspecting the tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from arcface_plus.models.backbones import IResNet
from data_prep.errors import DataError

_WRAPPERS = ("module.", "_orig_mod.", "backbone.")  # DDP, torch.compile, whole recognizers
_CONTAINERS = ("state_dict", "state_dict_backbone", "model")
_DEEPEST: dict[tuple[int, ...], str] = {(6, 26, 60, 6): "r200"}  # its name does not count layers


def network_from_state_dict(path: Path) -> tuple[nn.Module, str]:
    """The IResNet, of whatever depth and embedding size, in a plain or wrapped state dict.

    Returns it with its usual name ("r50"). DataError (one line) for anything else.
    """
    state = _read(path)
    layers = [
        len({m[1] for name in state if (m := re.match(rf"layer{stage}\.(\d+)\.", name))})
        for stage in (1, 2, 3, 4)
    ]
    if min(layers) == 0 or "fc.weight" not in state:
        raise DataError(
            f"{path}: its tensors are not an IResNet's (layer1 … layer4, fc); other networks load "
            "from .safetensors with its .json, or from .onnx"
        )
    network = IResNet(layers, embedding_dim=state["fc.weight"].shape[0])
    load_strictly(network, state, path, f"IResNet {layers}")
    # Two convolutions a unit, the stem and the fully connected layer.
    return network, _DEEPEST.get(tuple(layers), f"r{2 * sum(layers) + 2}")


def load_strictly(
    network: nn.Module, state: Mapping[str, torch.Tensor], path: Path, what: str
) -> None:
    """Strictly, but for the batch counters that older files lack; the misfit is named."""
    own = network.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - state.keys() - counters)
    unknown = sorted(k for k in state.keys() - own.keys() if not k.startswith("classifier."))
    shapes = sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape)
    for names, complaint in (
        (missing, "lacks"),
        (unknown, "has in excess"),
        (shapes, "has in another shape"),
    ):
        if names:
            raise DataError(
                f"{path}: not the weights of {what}: it {complaint} {names[0]}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            )
    network.load_state_dict({k: v for k, v in state.items() if k in own}, strict=False)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # pickle's refusals and zip's complaints
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise DataError(
            f"{path}: not a state dict that loads without running code ({first})"
        ) from None
    for key in _CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path}: holds no state dict")
    return {_unwrapped(str(k)): v for k, v in content.items() if isinstance(v, torch.Tensor)}


def _unwrapped(name: str) -> str:
    while prefix := next((p for p in _WRAPPERS if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    return name
