"""The task of a config decides its shape."""

from __future__ import annotations

import pytest

from arcface_plus.config.classification import ClassificationConfig
from arcface_plus.config.faces import FaceConfig
from arcface_plus.config.tasks import TASKS, config_class, others
from arcface_plus.config.tree import merged_configs, validate
from data_prep.errors import UserError


def test_the_last_tree_that_names_a_task_counts():
    assert config_class({}) is FaceConfig
    assert config_class({"task": "classification"}, {}) is ClassificationConfig
    assert config_class({"task": "classification"}, {"task": "verification"}) is FaceConfig
    assert others(FaceConfig) == {"classification": ClassificationConfig}


@pytest.mark.parametrize("task", ["clasification", 3, None])
def test_unknown_tasks(task):
    with pytest.raises(UserError, match=r"task: unknown task .*known: verification, classif"):
        config_class({"task": task})


def test_every_task_says_its_own_name():
    for name in TASKS:
        assert validate({"task": name, "run": {"name": "x"}}, "f").task == name


def test_merging_knows_the_components_of_the_task():
    base = {"task": "classification", "model": {"backbone": {"name": "cnn9", "width": 8}}}
    assert merged_configs(base, {"model": {"backbone": "vgg16_bn"}})["model"] == {
        "backbone": {"name": "vgg16_bn"}
    }


def test_keys_of_the_other_task_are_named():
    with pytest.raises(UserError, match=r"data\.augment: is a key of task: classification"):
        validate({"run": {"name": "x"}, "data": {"augment": {}}}, "f")
