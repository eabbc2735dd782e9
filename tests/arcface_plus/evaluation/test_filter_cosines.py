"""Cosines of filters: every pair once, against the naive way in float64."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from arcface_plus.evaluation import filter_cosines
from arcface_plus.evaluation.filter_cosines import BINS, HIGH, cosines, measure, write_json
from arcface_plus.models.backbones import IResNet
from data_prep.errors import DataError, UserError


def naive(weight: torch.Tensor) -> list[float]:
    rows = [row.double().numpy() for row in weight if row.any()]
    return [float(a @ b / np.sqrt((a @ a) * (b @ b))) for i, a in enumerate(rows) for b in rows[:i]]


@pytest.mark.parametrize("block", [3, 1024])
def test_every_pair_once_as_by_the_naive_way(monkeypatch, block):
    monkeypatch.setattr(filter_cosines, "_BLOCK", block)
    torch.manual_seed(0)
    weight = torch.randn(17, 5)
    weight[4] = 0
    expected = naive(weight)
    found = cosines("a", "conv1", weight)
    assert (found.filters, found.dimensions, found.pairs) == (17, 5, 120)
    assert found.above == sum(value > HIGH for value in expected) > 0
    assert found.largest == pytest.approx(max(expected), abs=1e-12)
    assert found.counts == tuple(np.histogram(expected, BINS, (-1, 1))[0])


def test_the_same_and_opposite_filters_are_in_the_outer_bins():
    found = cosines("a", "conv1", torch.tensor([[0.1, 0.3], [0.3, 0.9], [-0.1, -0.3]]))
    assert (found.counts[0], found.counts[-1], sum(found.counts)) == (2, 1, 3)
    assert found.largest == pytest.approx(1)
    alone = cosines("a", "conv1", torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert (alone.pairs, alone.above, alone.largest) == (0, 0, None)


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    network = IResNet((1, 1, 1, 1), embedding_dim=4)
    torch.save(network.state_dict(), tmp_path / "m.pth")
    return network, tmp_path / "m.pth"


def test_the_first_layer_or_those_that_are_named(model, tmp_path):
    network, path = model
    (first,) = measure(path)
    assert first == cosines(str(path), "conv1", network.conv1.weight.detach().flatten(1))
    found = measure(path, ["fc", "layer1.0.conv1"])
    assert [each.layer for each in found] == ["fc", "layer1.0.conv1"]
    write_json(tmp_path / "c.json", found)
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["bins"] == [-1, 1, BINS]
    assert [each["above"] for each in written["layers"]] == [each.above for each in found]


def test_what_is_wrong_is_said(model, tmp_path):
    network, path = model
    with pytest.raises(UserError, match=r"m\.pth: has no layer conv; did you mean conv1\?"):
        measure(path, ["conv"])
    with torch.no_grad():
        network.conv1.weight[0, 0, 0, 0] = torch.inf
    torch.save(network.state_dict(), path)
    with pytest.raises(DataError, match="the weights of conv1 are not finite"):
        measure(path)
