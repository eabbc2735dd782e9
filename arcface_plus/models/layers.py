"""The layers of a network whose rows a regularizer can spread."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from torch import Tensor, nn

CLASSIFIER = "classifier"
HIDDEN = "hidden"
ALL = "all"


class Layers(NamedTuple):
    """By name: the layers with one row a filter or neuron, and why others have no place there."""

    matrices: dict[str, nn.Module]
    left_out: dict[str, str]


def hidden_layers(network: nn.Module) -> Layers:
    """The convolutions and fully connected layers of ``network``, by their names in it.

    Left out are convolutions in groups (depthwise ones among them), whose rows see different
    inputs and are short, and layers of a single row. Biases and norms are no such layers.
    """
    matrices: dict[str, nn.Module] = {}
    left_out: dict[str, str] = {}
    for name, module in network.named_modules():
        if not isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            continue
        if getattr(module, "groups", 1) > 1:
            left_out[name] = "grouped"
        elif len(module.weight) < 2:
            left_out[name] = "one row"
        else:
            matrices[name] = module
    return Layers(matrices, left_out)


def rows_of(module: nn.Module) -> Tensor:
    """The weight of a layer with one row a filter (channel) or neuron: (rows, dimensions)."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.flatten(1)


def chosen_names(layers: str | Sequence[str], network: nn.Module) -> list[str]:
    """The names that ``layers`` means: "classifier", "hidden", "all", or patterns with *, ? and [].

    A pattern matches whole names; "classifier" is one of them, the last. ``ValueError`` for a
    pattern that matches none.
    """
    if layers == CLASSIFIER:
        return [CLASSIFIER]
    known = list(hidden_layers(network).matrices)
    if layers == HIDDEN:
        return known
    known.append(CLASSIFIER)
    if layers == ALL:
        return known
    patterns = [layers] if isinstance(layers, str) else list(layers)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ValueError(
                f"no layer matches '{pattern}' (layers: {known[0]}, …, {known[-2]}, {known[-1]})"
                if len(known) > 3
                else f"no layer matches '{pattern}' (layers: {', '.join(known)})"
            )
    return [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]
