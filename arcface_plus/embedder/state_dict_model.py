"""Build the network that a state dict belongs to, and load the tensors into it.

Our exports describe their network. arcface_torch's networks (IResNet of any depth, mbf) and
AdaFace's (IR) are recognized by the names and shapes of their tensors, with any prefix that a
trainer has added. For anything else the user names the backbone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from arcface_plus.config.tree import build_backbone
from arcface_plus.embedder import adaface
from arcface_plus.embedder.feeding import Feeding
from arcface_plus.models.backbones import BACKBONES, IResNet
from arcface_plus.run_directory.model_file import ModelCard
from data_prep.errors import DataError

# Prefixes of DDP, torch.compile, whole recognizers, Lightning modules and other trainers
_WRAPPERS = ("module.", "_orig_mod.", "backbone.", "model.", "net.", "encoder.")
_DEPTHS = {(6, 26, 60, 6): "r200", (3, 128, 896, 3): "r2060"}  # named otherwise than by formula
_FACENET = "conv2d_1a.conv.weight"
_HEADS = ("classifier.", "head.", "margin.", "loss.")  # never part of a backbone
_KNOWN = "arcface_torch's IResNet and mbf, AdaFace's IR, and our own exports"


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network on the CPU, its description and its input format.

    card: how to build it again; None for an IResNet of a depth that is not among our backbones.
    doubt: why the input format may be wrong, "" if it is known.
    """

    network: nn.Module
    name: str
    card: ModelCard | None
    feeding: Feeding = field(default_factory=Feeding)
    doubt: str = ""


@dataclass(frozen=True)
class BackboneChoice:
    """The backbone as the user names it, like `model.backbone` in a config."""

    name: str
    parameters: Mapping[str, object]


def model_from_card(
    state: Mapping[str, torch.Tensor], card: ModelCard, path: Path, source: str
) -> LoadedModel:
    """The network that a card describes, with these tensors.

    Raises:
        DataError: the card describes no network of ours (the message names `source`, where the
            card comes from), or the tensors from `path` do not fit.
    """

    def make() -> nn.Module:
        try:
            return build_backbone(card.backbone, card.parameters, card.embedding_dim)
        except (ValueError, TypeError) as error:
            raise DataError(f"{source}: {error}") from None

    network = _filled(make, state, path, card.backbone)
    return LoadedModel(
        network, card.backbone, card, Feeding(card.mean, card.scale, card.channel_order)
    )


def model_from_tensors(
    state: Mapping[str, torch.Tensor], path: Path, choice: BackboneChoice | None = None
) -> LoadedModel:
    """The network recognized by tensor names, or chosen by the user; DataError otherwise."""
    state = unwrapped(state)
    if choice is not None:
        card = ModelCard(choice.name, dict(choice.parameters), _embedding_dim(state, path))
        return model_from_card(state, card, path, "--backbone")
    if adaface.is_adaface(state):
        found = _iresnet(adaface.as_iresnet(state, path), path)
        fed = Feeding(channel_order="BGR")
        described = found.card and replace(found.card, channel_order="BGR")
        return LoadedModel(found.network, f"AdaFace {found.name}", described, fed, adaface.DOUBT)
    if "fc.weight" in state and any(name.startswith("layer1.0.") for name in state):
        return _iresnet(state, path)
    if "conv_sep.layers.0.weight" in state:
        card = ModelCard("arcface_torch_mbf", {}, _embedding_dim(state, path))
        return model_from_card(state, card, path, str(path))
    if _FACENET in state:
        raise DataError(
            f"{path}: facenet-pytorch's InceptionResnetV1, which is not among our backbones; export"
            " it with torch.onnx.export and a 1×3×160×160 input, and use the .onnx file with "
            "--mean 127.5 --scale 128"
        )
    raise DataError(
        f"{path}: its tensor names match no known network ({_KNOWN}); export it to ONNX, or name "
        "its backbone: --backbone '{name: tiny, width: 0.5}'"
    )


def unwrapped(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the backbone, without a trainer's prefixes and other parts."""
    found = dict(state)
    while True:
        sizes = {p: sum(name.startswith(p) for name in found) for p in _WRAPPERS}
        prefix = max(sizes, key=lambda p: sizes[p])
        if not sizes[prefix]:
            return {k: t for k, t in found.items() if not k.startswith(_HEADS)}
        found = {k.removeprefix(prefix): t for k, t in found.items() if k.startswith(prefix)}


def _iresnet(state: Mapping[str, torch.Tensor], path: Path) -> LoadedModel:
    layers = [
        len({m[1] for name in state if (m := re.match(rf"layer{stage}\.(\d+)\.", name))})
        for stage in (1, 2, 3, 4)
    ]
    if min(layers) == 0:
        raise DataError(f"{path}: not an IResNet: it lacks one of layer1 … layer4")
    dimensions = _embedding_dim(state, path)
    # Two convolutions per unit, the stem and the fully connected layer.
    name = _DEPTHS.get((layers[0], layers[1], layers[2], layers[3]), f"r{2 * sum(layers) + 2}")
    network = _filled(lambda: IResNet(layers, dimensions), state, path, f"IResNet {layers}")
    card = ModelCard(name, {}, dimensions) if name in BACKBONES else None
    return LoadedModel(network, name, card)


def _embedding_dim(state: Mapping[str, torch.Tensor], path: Path) -> int:
    """The output size of the last linear layer, the only weight that is a matrix."""
    names = ("fc.weight", "features.layers.2.weight")
    found = [state[name] for name in names if name in state]
    if not found or found[0].ndim != 2:
        shape = tuple(found[0].shape) if found else "missing"
        raise DataError(
            f"{path}: its last linear layer, which has the embedding's size, is not a matrix: "
            f"{shape}"
        )
    return int(found[0].shape[0])


def _filled(
    make: Callable[[], nn.Module], state: Mapping[str, torch.Tensor], path: Path, what: str
) -> nn.Module:
    """The network that `make` builds, with these tensors.

    It is first built on the meta device, without memory: the file's description of its network is
    not trusted until the tensors are known to match it.
    """
    with torch.device("meta"):
        network = make()
    check_fit(network, state, path, what)
    own = network.state_dict()
    counters = {k: torch.zeros((), dtype=t.dtype) for k, t in own.items() if k not in state}
    network.to_empty(device="cpu")
    network.load_state_dict(counters | {k: t for k, t in state.items() if k in own})
    return network


def check_fit(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path, what: str) -> None:
    """Raise DataError if names, shapes or types do not match; batch counters may be missing."""
    own = network.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - state.keys() - counters)
    unknown = sorted(state.keys() - own.keys())
    common = sorted(own.keys() & state.keys())
    shapes = [k for k in common if own[k].shape != state[k].shape]
    kinds = [k for k in common if own[k].is_floating_point() > state[k].is_floating_point()]
    for names, complaint in (
        (missing, "lacks"),
        (unknown, "has the unknown tensor"),
        (shapes, "has another shape of"),
        (kinds, "has no floating-point numbers in"),
    ):
        if names:
            raise DataError(
                f"{path}: not the weights of {what}: it {complaint} {names[0]}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            )
