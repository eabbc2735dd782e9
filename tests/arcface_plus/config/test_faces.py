"""The config of face runs: the paper's recipe, and what the other parts ask of every task."""

from __future__ import annotations

import pytest

from arcface_plus.config.sections import ClassWeights
from arcface_plus.config.tree import validate
from data_prep.errors import UserError


def test_defaults_are_the_papers_recipe():
    config = validate({"run": {"name": "x"}}, "-")
    assert config.model.backbone.name == "r50"
    assert config.model.embedding_dim == 512
    assert config.data.batch_size == 440
    assert config.optimizer.steps == 38_000
    assert config.optimizer.milestones == (23_750, 33_250)
    assert (config.optimizer.lr, config.optimizer.momentum) == (0.1, 0.9)
    assert (config.optimizer.weight_decay, config.optimizer.gamma) == (5e-4, 0.1)
    assert config.head.parameters == {"scale": 64.0, "margin": 0.5, "margin_gradient": "exact"}


def test_what_other_parts_ask_of_a_config():
    tree = {
        "run": {"name": "x"},
        "model": {"embedding_dim": 8, "classifier": "sharded", "class_sampling": 0.5, "init": "a"},
        "eval": {"targets": ["lfw"]},
    }
    config = validate(tree, "-")
    assert config.class_weights == ClassWeights(8, 0.01, "sharded", 0.5)
    assert config.initial_weights == "a"
    assert config.eval.names == ("lfw",)


def test_a_network_that_cannot_be_built_is_told_with_its_key():
    tree = {"run": {"name": "x"}, "model": {"backbone": {"name": "tiny", "width": 9.0}}}
    with pytest.raises(UserError, match=r"model: width must be above 0 and at most 4, not 9\.0"):
        validate(tree, "-")
