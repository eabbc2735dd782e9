"""The sections: their defaults, what they build, and what they take for no value of a key."""

from __future__ import annotations

import pytest
import torch
import yaml

from arcface_plus.config.sections import AnyEval, AnyModel, RunConfig
from arcface_plus.config.tree import validate
from arcface_plus.models.heads import HEADS
from data_prep.errors import UserError


def test_resolved_config_hides_no_default():
    resolved = yaml.safe_load(validate({"run": {"name": "x"}}, "-").to_yaml())
    assert resolved["head"] == {
        "name": "arcface", "scale": 64.0, "margin": 0.5, "margin_gradient": "exact"
    }  # fmt: skip
    assert resolved["regularizer"] == {
        "name": "none", "weight": 0.0, "layers": "classifier", "reduction": "sum"
    }  # fmt: skip


def test_keys_of_the_published_optimizer_section_still_say_what_they_said():
    tree = yaml.safe_load(
        "{lr: 0.2, momentum: 0.8, weight_decay: 1.0e-3, milestones: [3, 5], gamma: 0.5, "
        "warmup_steps: 2, steps: 9, grad_clip: 4}"
    )
    optimizer = validate({"run": {"name": "x"}, "optimizer": tree}, "-").optimizer
    resolved = optimizer.model_dump(mode="json")
    assert resolved == {"name": "sgd", "schedule": "step", "nesterov": False, **tree}
    assert [round(optimizer.build_schedule().at(s), 9) for s in range(7)] == [
        0.1, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05
    ]  # fmt: skip


def test_sections_build_what_they_name():
    tree = {"run": {"name": "x"}, "head": {"name": "softmax", "scale": 9.0},
            "model": {"backbone": {"name": "tiny", "width": 0.25}, "embedding_dim": 16},
            "regularizer": {"name": "mma", "weight": 0.5}}  # fmt: skip
    config = validate(tree, "-")
    assert config.model.build_backbone()(torch.zeros(2, 3, 112, 112)).shape == (2, 16)
    assert config.head.build().scale == 9.0
    assert type(config.regularizer.build()).__name__ == "MMA"
    assert config.regularizer.weight == 0.5


@pytest.mark.parametrize("name", list(HEADS))
def test_every_head_has_defaults(name):
    config = validate({"run": {"name": "x"}, "head": name}, "-")
    head = config.head.build()
    assert type(head) is HEADS[name]
    again = yaml.safe_load(config.to_yaml())["head"]
    assert again == {"name": name, **config.head.parameters}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"optimizer": {"steps": True}}, r"optimizer\.steps: expected a whole number, got true"),
        ({"optimizer": {"lr": True}}, r"optimizer\.lr: expected a number, got true"),
        ({"optimizer": {"lr": float("nan")}}, r"optimizer\.lr: expected a finite number"),
        ({"optimizer": {"steps": 0}}, r"optimizer\.steps: expected a number greater than 0"),
        ({"data": {"batch_size": 1}}, r"data\.batch_size: expected a number of at least 2"),
        ({"data": {"batch_size": 8.0}}, r"data\.batch_size: expected a whole number"),
        ({"data": {"flip": 1}}, r"data\.flip: expected true or false, got 1"),
        ({"data": {"cache": "ram"}}, r"data\.cache: expected none, memory, disk or device"),
        ({"run": {"name": ""}}, r"run\.name: expected text that is not empty"),
        ({"run": {"name": 7}}, r"run\.name: expected text, got 7"),
        ({"eval": {"targets": "lfw"}}, r'eval\.targets: expected a list, got "lfw"'),
        ({"model": {"dropout": 1.0}}, r"model\.dropout: expected a number less than 1"),
        ({"regularizer": {"weight": -1.0}}, r"regularizer\.weight: expected .* at least 0"),
        ({"head": {"name": "arcface", "scale": -1.0}}, r"head.*scale"),
        ({"head": {"name": "sphereface", "margin": 5}}, r"head.*margin must be 1, 2, 3 or 4"),
        ({"head": {"name": "sphereface", "margin": 4.0}}, r"head\.margin: expected a whole number"),
        ({"head": {"name": "cosface", "margin": -1}}, r"head.*margin must be finite and at least"),
        ({"head": {"name": "adaface", "momentum": 1.0}}, r"head.*momentum must be at least 0"),
        ({"head": {"name": "magface", "lower_norm": 200}}, r"head.*below upper_norm, not 200"),
        ({"head": {"name": "subcenter_arcface", "sub_centres": 0}}, r"head.*must be at least 1"),
        (
            {"head": {"name": "linear_softmax", "scale": 64}},
            r"unknown key head\.scale \(a parameter of arcface",
        ),
        ({"auxiliary": {"name": "centre"}}, r"missing key auxiliary\.weight"),
        (
            {"auxiliary": {"name": "TripletLoss", "weight": 1}},
            r'auxiliary\.name: unknown loss "TripletLoss" \(did you mean TripletMarginLoss\?',
        ),
        (
            {"auxiliary": {"name": "centre", "weight": 1, "parameters": {"rat": 1}}},
            "auxiliary: centre: got an unexpected keyword argument 'rat'",
        ),
        (
            {"auxiliary": {"name": "centre", "weight": 1, "miner": "BatchHardMiner"}},
            "auxiliary: centre: got an unexpected keyword argument 'miner'",
        ),
        (
            {"auxiliary": {"name": "centre", "weight": 1, "parameters": {"rate": 2}}},
            "auxiliary: rate must be from 0 to 1, not 2",
        ),
        (
            {"logging": {"sinks": ["mlfow"]}},
            r'sinks\.0: unknown sink "mlfow" \(did you mean mlflow\? known: mlflow, wandb\)',
        ),
        ({"logging": {"sinks": "mlflow"}}, r'logging\.sinks: expected a list, got "mlflow"'),
        ({"model": {"backbone": {"name": "tiny", "width": 9.0}}}, r"model.*width"),
    ],
)
def test_values_that_are_none_of_a_key(tree, said):
    with pytest.raises(UserError, match=said):
        validate({"run": {"name": "x"}} | tree, "-")


def test_regularizers_may_be_one_or_a_list():
    one = {"name": "mma", "weight": 0.5, "layers": "all", "reduction": "mean"}
    other = {"name": "mhe", "weight": 1.0, "power": 0, "layers": ["conv1", "layer*"]}
    for given, names in ((one, ["mma"]), ([one, other], ["mma", "mhe"]), (["none"], ["none"]),
                         ([], [])):  # fmt: skip
        config = validate({"run": {"name": "x"}, "regularizer": given}, "-")
        assert [term.name for term in config.regularizers] == names
        assert validate(yaml.safe_load(config.to_yaml()), "-") == config
    plans = [
        term.plan()
        for term in validate({"run": {"name": "x"}, "regularizer": [one, other]}, "-").regularizers
    ]
    assert [(plan.weight, plan.layers, plan.reduction) for plan in plans] == [
        (0.5, "all", "mean"), (1.0, ("conv1", "layer*"), "sum")
    ]  # fmt: skip
    assert plans[1].build().energy.power == 0.0
    assert plans[1].build() is not plans[1].build()


def test_pairs_of_a_batch_are_about_classes():
    term = {"name": "mhe", "weight": 1.0, "pairs": "batch"}
    for layers in ("classifier", ["classifier"]):
        validate({"run": {"name": "x"}, "regularizer": {**term, "layers": layers}}, "-")
    with pytest.raises(
        UserError, match=r"regularizer\.layers must be classifier with pairs: batch"
    ):
        validate({"run": {"name": "x"}, "regularizer": {**term, "layers": "all"}}, "-")


def test_what_each_task_must_say_for_itself_cannot_be_left_out():
    class WithoutNames(AnyEval):
        pass

    for incomplete in (AnyModel, AnyEval, WithoutNames, RunConfig):
        with pytest.raises(TypeError, match="abstract"):
            incomplete()
