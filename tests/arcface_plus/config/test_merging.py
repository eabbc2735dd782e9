"""Merging configs: sections merge, components replace each other, `--set` takes YAML."""

from __future__ import annotations

import pytest

from arcface_plus.config.faces import FaceConfig
from arcface_plus.config.merging import changed_tree, merged, nested, setting
from data_prep.errors import UserError


def test_sections_merge_and_lists_are_replaced():
    base = {"run": {"name": "a", "seed": 4}, "eval": {"targets": ["x", "y"]}}
    assert merged(base, {"run": {"name": "b"}, "eval": {"targets": ["z"]}}, FaceConfig) == {
        "run": {"name": "b", "seed": 4}, "eval": {"targets": ["z"]}
    }  # fmt: skip
    assert base["run"]["name"] == "a"


@pytest.mark.parametrize(
    ("over", "result"),
    [
        ({"name": "softmax"}, {"name": "softmax", "extra": 1}),
        ({"name": "softmax", "scale": 3.0}, {"name": "softmax", "extra": 1, "scale": 3.0}),
        ({"name": "arcface"}, {"name": "arcface", "scale": 2.0, "margin": 0.1, "extra": 1}),
    ],
)
def test_another_head_drops_the_previous_parameters(over, result):
    base = {"head": {"scale": 2.0, "margin": 0.1, "extra": 1}}  # arcface by default
    assert merged(base, {"head": over}, FaceConfig) == {"head": result}


def test_another_optimizer_keeps_schedule_steps_and_clipping():
    base = {
        "optimizer": {"lr": 0.1, "momentum": 0.9, "milestones": [5], "steps": 9, "grad_clip": 1}
    }
    assert merged(base, setting("optimizer.name=adamw"), FaceConfig)["optimizer"] == {
        "name": "adamw", "milestones": [5], "steps": 9, "grad_clip": 1
    }  # fmt: skip
    assert merged(base, setting("optimizer.schedule=cosine"), FaceConfig)["optimizer"] == {
        "schedule": "cosine", "lr": 0.1, "momentum": 0.9, "steps": 9, "grad_clip": 1
    }  # fmt: skip


def test_another_regularizer_keeps_its_weight_and_another_backbone_is_nested():
    base = {"regularizer": {"name": "mma", "weight": 0.03, "mode": "exact"}}
    assert merged(base, setting("regularizer.name=none"), FaceConfig) == {
        "regularizer": {"name": "none", "weight": 0.03}
    }
    base = {"model": {"dropout": 0.1, "backbone": {"name": "tiny", "width": 0.5}}}
    assert merged(base, setting("model.backbone.name=r50"), FaceConfig) == {
        "model": {"dropout": 0.1, "backbone": {"name": "r50"}}
    }


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("optimizer.weight_decay=5e-4", {"optimizer": {"weight_decay": 5e-4}}),
        ("eval.targets=[lfw]", {"eval": {"targets": ["lfw"]}}),
        ("optimizer.grad_clip=null", {"optimizer": {"grad_clip": None}}),
        ("a.b.c=x=y", {"a": {"b": {"c": "x=y"}}}),
        ("a={b: 1}", {"a": {"b": 1}}),
    ],
)
def test_settings_take_yaml(text, tree):
    assert setting(text) == tree


@pytest.mark.parametrize("text", ["optimizer.lr", "=3", "a..b=1"])
def test_settings_without_a_key_or_value(text):
    with pytest.raises(UserError, match=r"expected key\.sub=value"):
        setting(text)


@pytest.mark.parametrize("value", ["[", "[" * 5000, "{a: 1, a: 2}"])
def test_values_that_cannot_be_read(value):
    with pytest.raises(UserError, match=r"^--set a\.b: invalid value: ") as caught:
        setting(f"a.b={value}")
    assert "\n" not in str(caught.value)


def test_a_list_of_components_is_replaced_as_a_whole():
    base = {"regularizer": [{"name": "mma", "weight": 1.0}]}
    other = merged(base, setting("regularizer={name: mhe, weight: 2.0}"), FaceConfig)
    assert other == {"regularizer": {"name": "mhe", "weight": 2.0}}
    longer = merged(other, setting("regularizer=[mma, mhe]"), FaceConfig)
    assert longer == {"regularizer": ["mma", "mhe"]}
    with pytest.raises(UserError, match="regularizer: is a list, which cannot be changed in part"):
        merged(base, setting("regularizer.weight=0.5"), FaceConfig)


def test_nested_and_dotted_changes_make_one_tree():
    assert nested("a.b.c", 1) == {"a": {"b": {"c": 1}}}
    changes = {"optimizer.lr": 1.0, "optimizer": {"steps": 5}, "head": "softmax"}
    assert changed_tree(changes) == {"optimizer": {"lr": 1.0, "steps": 5}, "head": "softmax"}
    for twice in ({"head": "softmax", "head.scale": 3.0}, {"a": {"b": 1}, "a.b": 2}):
        with pytest.raises(UserError, match=r"(head|a\.b) is changed twice"):
            changed_tree(twice)
    with pytest.raises(UserError, match=r"'optimizer\.\.lr': expected key\.sub"):
        changed_tree({"optimizer..lr": 1.0})
