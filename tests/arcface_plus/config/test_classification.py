"""The config of task: classification: its own keys, and complaints about those of faces."""

from __future__ import annotations

import math

import pytest
import yaml

from arcface_plus.config.tree import validate
from data_prep.errors import UserError


def config(**sections):
    return validate({"task": "classification", "run": {"name": "x"}, **sections}, "f")


def test_defaults_and_the_way_back():
    made = config(data={"imbalance": {"classes": [0], "keep": 5}, "augment": {"cutout": 16}})
    assert (made.head.name, made.model.backbone.name) == ("linear_softmax", "cnn9")
    assert made.eval.names == ("test",)
    assert validate(yaml.safe_load(made.to_yaml()), "f") == made


def test_the_network_determines_the_features():
    made = config(model={"backbone": {"name": "cnn6", "embedding_dim": 32}})
    weights = made.class_weights
    assert (weights.dimensions, weights.std) == (32, math.sqrt(2 / 32))
    assert config(model={"backbone": "resnet20"}).class_weights.dimensions == 64
    assert made.model.build_backbone(28).side == 28


def test_what_is_kept():
    assert config(data={"imbalance": {"rising": 3}}).data.imbalance.kept(3) == {0: 3, 1: 6, 2: 9}
    some = config(data={"imbalance": {"classes": [1, 2], "keep": 4}}).data.imbalance
    assert some.kept(10) == {1: 4, 2: 4}
    assert config().data.imbalance.kept(10) == {}


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ({"data": {"flip": True}}, r"data\.flip: is a key of task: verification"),
        ({"eval": {"targets": ["lfw"]}}, r"eval\.targets: is a key of task: verification"),
        ({"model": {"embedding_dim": 2}}, r"model\.embedding_dim: is a key of task: verif"),
        ({"model": {"backbone": "r50"}}, r"unknown name \"r50\" \(known: cnn6, "),
        ({"checkpoint": {"best": "test"}}, r"checkpoint\.best: the last checkpoint counts"),
        ({"data": {"cache": "disk"}}, r"data\.cache: expected"),
        ({"data": {"imbalance": {"keep": 3}}}, "give both or neither"),
        ({"data": {"imbalance": {"classes": [0], "keep": 3, "rising": 2}}}, "leave out classes"),
        ({"data": {"cache": "device", "augment": {"autoaugment": True}}}, "use cache: memory"),
        ({"data": {"augment": {"area": [0.5, 1.0]}}}, "set pad to 0"),
        ({"data": {"augment": {"pad": 0, "area": [1.0, 0.5]}}}, "in this order"),
        ({"data": {"crop": 24}}, r"crop needs augment\.area"),
        (
            {"data": {"crop": 24, "resize": 20, "augment": {"pad": 0, "area": [0.5, 1.0]}}},
            r"crop \(24\) is larger than resize \(20\)",
        ),
        ({"data": {"augment": {"pading": "zero"}}}, r"did you mean data\.augment\.padding"),
    ],
)
def test_complaints(sections, complaint):
    with pytest.raises(UserError, match=complaint):
        config(**sections)
