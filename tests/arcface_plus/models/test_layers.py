"""Which layers of a network can be regularized, by name."""

from __future__ import annotations

import pytest
import torch
from layered import Layered

from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.layers import chosen_names, hidden_layers, rows_of


def test_filters_are_rows_and_others_are_left_out_for_a_reason() -> None:
    network = Layered()
    matrices, left_out = hidden_layers(network)
    assert list(matrices) == ["stem", "unit.0", "fc"]
    assert left_out == {"depthwise": "grouped", "gate": "one row"}
    rows = rows_of(network.stem)
    assert rows.shape == (6, 27)
    assert torch.equal(rows[2], network.stem.weight[2].flatten())
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert torch.equal(rows_of(network.stem), rows)  # the same order of columns


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("classifier", ["classifier"]),
        ("hidden", ["stem", "unit.0", "fc"]),
        ("all", ["stem", "unit.0", "fc", "classifier"]),
        (["fc", "unit.*"], ["unit.0", "fc"]),
        (("c*",), ["classifier"]),
        (["*"], ["stem", "unit.0", "fc", "classifier"]),
    ],
)
def test_names(layers: str | list[str], names: list[str]) -> None:
    assert chosen_names(layers, Layered()) == names


@pytest.mark.parametrize("pattern", ["conv*", "gate", "unit", "depthwise"])
def test_patterns_without_a_layer(pattern: str) -> None:
    with pytest.raises(ValueError, match=rf"no layer matches '{pattern[:4]}.*stem.*classifier\)"):
        chosen_names([pattern], Layered())


def test_every_backbone_has_hidden_layers() -> None:
    with torch.device("meta"):
        for name, build in BACKBONES.items():
            matrices, left_out = hidden_layers(build(embedding_dim=64, dropout=0.0))
            assert matrices, name
            assert all(len(rows_of(layer)) > 1 for layer in matrices.values())
            assert not matrices.keys() & left_out.keys()
