"""Errors in a config name the key, what is expected and what it is, in plain words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from arcface_plus.config.complaints import complaints
from arcface_plus.config.components import Section
from arcface_plus.config.tree import validate
from data_prep.errors import UserError


def complaint(tree: dict) -> str:
    with pytest.raises(UserError) as caught:
        validate({"run": {"name": "x"}, **tree}, "c.yaml")
    text = str(caught.value)
    assert "\n" not in text
    assert not any(word in text for word in ("Input should", "valid", "Field required", "Extra"))
    return text


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (
            {"optimizer": {"learning_rate": 1}},
            ["unknown key optimizer.learning_rate", "known: name, schedule, lr"],
        ),
        ({"optimizer": {"weight_decy": 1}}, ["did you mean optimizer.weight_decay?"]),
        ({"optimiser": {"lr": 1}}, ["unknown key optimiser", "did you mean optimizer?"]),
        ({"batch_size": 3}, ["unknown key batch_size", "did you mean data.batch_size?"]),
        ({"data": {"batch_size": "many"}}, ["data.batch_size", "whole number", '"many"']),
        ({"data": {"batch_size": 0}}, ["data.batch_size: expected a number of at least 2, got 0"]),
        ({"data": {"cache": "tape"}}, ["data.cache", "expected none, memory, disk or device, got"]),
        (
            {"head": {"name": "arcfac"}},
            ['head.name: unknown name "arcfac"', "did you mean arcface?"],
        ),
        (
            {"head": {"name": "arcface", "margn": 1}},
            ["unknown key head.margn (did you mean head.margin?)"],
        ),
        ({"model": {"backbone": {"name": "r51"}}}, ['model.backbone.name: unknown name "r51"']),
        ({"model": {"backbone": {"name": "mobilefacenet", "width": -1}}}, ["width"]),
        (
            {"model": {"backbone": {"name": "r50", "dropout": 0.1}}},
            ["unknown key model.backbone.dropout (did you mean model.dropout?)"],
        ),
        ({"regularizer": {"name": "mma", "weight": -1}}, ["regularizer.weight"]),
        ({"regularizer": [{"name": "mma"}]}, ["missing key regularizer.0.weight"]),
        (
            {"regularizer": ["none", {"name": "mhe", "weight": 1, "powr": 2}]},
            ["unknown key regularizer.1.powr (did you mean regularizer.1.power?)"],
        ),
        (
            {"regularizer": [{"name": "mm", "weight": 1}]},
            ['regularizer.0.name: unknown name "mm" (did you mean mma?'],
        ),
        ({"regularizer": [5]}, ["regularizer.0: expected a name, or keys and values with one"]),
        (
            {"regularizer": [{"name": "mhe", "weight": 1, "power": -1}]},
            ["regularizer.0.power must be at least 0, not -1"],
        ),
        (
            {"regularizer": {"name": "mma", "weight": 1, "layers": "al"}},
            ['regularizer.layers: expected classifier, hidden or all or a list, got "al"'],
        ),
        (
            {"regularizer": {"name": "mma", "weight": 1, "layers": ["stage*"]}},
            ["regularizer: layers: no layer matches 'stage*' (layers: conv1, …, fc, classifier)"],
        ),
        ({"optimizer": {"lr": float("nan")}}, ["optimizer.lr"]),
        ({"optimizer": {"milestones": [5, 3]}}, ["milestones must ascend"]),
        ({"runtime": {"precision": "fp8"}}, ["runtime.precision"]),
        ({"data": {"batch_size": 1}}, ["data.batch_size: expected a number of at least 2, got 1"]),
        ({"optimizer": {"steps": True}}, ["optimizer.steps: expected a whole number, got true"]),
        ({"optimizer": {"steps": 2.0}}, ["optimizer.steps: expected a whole number, got 2.0"]),
        ({"optimizer": {"lr": "5e-4"}}, ['optimizer.lr: expected a number, got "5e-4" (YAML']),
        ({"optimizer": {"lr": "fast"}}, ['optimizer.lr: expected a number, got "fast"']),
        ({"optimizer": {"milestones": [1, True]}}, ["optimizer.milestones.1: expected a whole"]),
        ({"optimizer": {"momentum": 2.0}}, ["optimizer.momentum must be at least 0"]),
        ({"optimizer": {"name": "adamw", "momentum": 0.9}}, ["momentum (a parameter of sgd;"]),
        ({"optimizer": {"name": "adamw", "betas": [0.9]}}, ["expected one more item"]),
        ({"optimizer": {"name": "adamw", "betas": [1, 2, 3]}}, ["expected 2 items, got [1, 2, 3]"]),
        ({"optimizer": {"schedule": "cos"}}, ['optimizer.schedule: unknown name "cos" (did you']),
        (
            {"optimizer": None},
            ["optimizer: expected a name, or keys and values with one, got null"],
        ),
        ({"data": 3}, ["data: expected keys and values, got 3"]),
        ({"regularizer": "mma"}, ["missing key regularizer.weight"]),
        (
            {"model": {"backbone": "r5"}},
            ['model.backbone.name: unknown name "r5" (did you mean r50?'],
        ),
        ({"runtime": {"compile": 1}}, ["runtime.compile: expected true or false or auto, got 1"]),
        ({"eval": {"targets": "lfw"}}, ['eval.targets: expected a list, got "lfw"']),
        ({"run": {"name": ""}}, ["run.name: expected text that is not empty"]),
        ({"run": {}}, ["missing key run.name"]),
        ({"head": {1: 2}}, ["key head.1: keys are text"]),
        ({"data": {"train": "x" * 900}, "eval": {"every": "y" * 900}}, ["y" * 50, "…"]),
    ],
)
def test_errors_name_the_key_and_the_fix(tree, words):
    text = complaint(tree)
    assert all(word in text for word in words), text


def test_all_errors_are_reported_at_once():
    text = complaint({"optimizer": {"lr": "a", "steps": 0}, "head": {"name": "nope"}})
    assert all(word in text for word in ("optimizer.lr", "optimizer.steps", 'name "nope"'))


def test_an_error_about_two_sections_names_both_keys():
    text = complaint({"checkpoint": {"best": "lfw"}, "eval": {"targets": ["cfp_fp"]}})
    assert text == "c.yaml: checkpoint.best: 'lfw' is not one of eval.targets (cfp_fp)"


class _Item(Section):
    size: int = 1


class _Box(Section):
    items: dict[str, _Item] = {}  # noqa: RUF012


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"a": {"siz": 1}}, "unknown key items.a.siz (did you mean items.a.size?)"),
        ({"a": {"size": "x"}}, 'items.a.size: expected a whole number, got "x"'),
        ({"a": 3}, "items.a: expected keys and values, got 3"),
    ],
)
def test_errors_in_named_sections_keep_the_name(tree, told):
    with pytest.raises(ValidationError) as caught:
        _Box.model_validate({"items": tree})
    assert complaints(caught.value, _Box) == told
