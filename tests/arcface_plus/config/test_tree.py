"""YAML → typed config: merging, overriding, and what a mistake is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from arcface_plus.config.tree import json_schema, load, shipped, validate
from arcface_plus.run_directory.prepare import flattened
from data_prep.errors import UserError

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


def written(tmp_path: Path, text: str, name: str = "c.yaml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def complaint(tree: dict) -> str:
    with pytest.raises(UserError) as caught:
        validate({"run": {"name": "x"}, **tree}, "c.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


def test_casia_configs_say_the_papers_figures_and_differ_in_the_regularizer_alone():
    plain, plus = (load(shipped(f"casia_r50_{n}.yaml")) for n in ("arcface", "arcface_plus"))
    assert validate({"run": {"name": "x"}}, "-").model_copy(update={"run": plain.run}) == plain
    assert (plus.regularizer.name, plus.regularizer.weight) == ("mma", 0.03)
    assert plain.eval.targets == ("lfw", "cfp_fp", "agedb_30")


@pytest.mark.parametrize("pair", ["casia_r50", "demo"])
def test_pairs_differ_in_nothing_else(pair):
    one, two = (
        flattened(load(shipped(f"{pair}_{n}.yaml")).model_dump(mode="json"))
        for n in ("arcface", "arcface_plus")
    )
    differing = {k for k in one.keys() | two.keys() if one.get(k) != two.get(k)}
    assert differing
    assert all(k == "run.name" or k.startswith("regularizer.") for k in differing)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configs_have_headers_and_survive_a_round_trip(path, tmp_path):
    header = path.read_text().split("\nrun:")[0]
    if "extends:" not in path.read_text():
        for word in ("Command:", "Hardware:", "Time:", "Expected:"):
            assert word in header
    config = load(path)
    assert load(written(tmp_path, config.to_yaml())) == config


def test_resolved_config_hides_no_default():
    resolved = yaml.safe_load(validate({"run": {"name": "x"}}, "-").to_yaml())
    assert resolved["head"] == {
        "name": "arcface", "scale": 64.0, "margin": 0.5, "margin_gradient": "exact"
    }  # fmt: skip
    assert resolved["regularizer"] == {"name": "none", "weight": 0.0}


def test_extends_merges_and_a_renamed_part_drops_the_former_ones_parameters(tmp_path):
    written(tmp_path, "run: {name: a, seed: 4}\nhead: {name: arcface, margin: 0.3}\n", "a.yaml")
    config = load(written(tmp_path, "extends: a.yaml\nrun: {name: b}\nhead: {name: softmax}\n"))
    assert (config.run.name, config.run.seed) == ("b", 4)
    assert "margin" not in config.head.parameters


def test_settings_override_with_yaml_values(tmp_path):
    path = written(tmp_path, "run: {name: a}\n")
    config = load(
        path,
        ["optimizer.weight_decay=5e-4", "eval.targets=[lfw]", "optimizer.grad_clip=null",
         "model.backbone.name=mobilefacenet", "model.backbone.width=0.5"],
    )  # fmt: skip
    assert config.optimizer.weight_decay == 5e-4
    assert config.eval.targets == ("lfw",)
    assert config.model.backbone.parameters == {"width": 0.5}


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"optimizer": {"learning_rate": 1}}, ["unknown key optimizer.learning_rate", "known: lr"]),
        ({"optimizer": {"weight_decy": 1}}, ["did you mean optimizer.weight_decay?"]),
        ({"optimiser": {"lr": 1}}, ["unknown key optimiser", "did you mean optimizer?"]),
        ({"batch_size": 3}, ["unknown key batch_size", "did you mean data.batch_size?"]),
        ({"data": {"batch_size": "many"}}, ["data.batch_size", "integer", "'many'"]),
        ({"data": {"batch_size": 0}}, ["data.batch_size", "greater than 0"]),
        ({"data": {"cache": "tape"}}, ["data.cache", "'none', 'memory', 'disk' or 'device'"]),
        ({"head": {"name": "arcfac"}}, ["unknown head 'arcfac'", "did you mean 'arcface'"]),
        ({"head": {"name": "arcface", "margn": 1}}, ["'margn'", "did you mean 'margin'"]),
        ({"model": {"backbone": {"name": "r51"}}}, ["unknown backbone 'r51'"]),
        ({"model": {"backbone": {"name": "mobilefacenet", "width": -1}}}, ["width"]),
        ({"model": {"backbone": {"name": "r50", "dropout": 0.1}}}, ["dropout belongs in model"]),
        ({"regularizer": {"name": "mma", "weight": -1}}, ["regularizer.weight"]),
        ({"optimizer": {"lr": float("nan")}}, ["optimizer.lr"]),
        ({"optimizer": {"milestones": [5, 3]}}, ["milestones must ascend"]),
        ({"runtime": {"precision": "fp8"}}, ["runtime.precision"]),
    ],
)
def test_mistakes_name_the_key_and_the_mend(tree, words):
    text = complaint(tree)
    assert all(word in text for word in words), text


def test_all_complaints_come_at_once():
    text = complaint({"optimizer": {"lr": -1, "steps": 0}, "head": {"name": "nope"}})
    assert all(word in text for word in ("optimizer.lr", "optimizer.steps", "unknown head"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run: {name: a}\nextends: c.yaml\n", "extends itself"),
        ("extends: gone.yaml\n", "gone.yaml: no such config file, which c.yaml extends"),
        ("run: [", "not YAML"),
        ("- 1\n", "expected sections"),
        ("data: {}\n", "missing key run"),
    ],
)
def test_bad_files(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        load(written(tmp_path, text))


def test_bad_settings(tmp_path):
    path = written(tmp_path, "run: {name: a}\n")
    for setting in ("optimizer.lr", "=3", "a..b=1"):
        with pytest.raises(UserError, match=r"expected key\.sub=value"):
            load(path, [setting])
    with pytest.raises(UserError, match="no such config file"):
        load(tmp_path / "gone.yaml")


def test_schema_is_for_editors():
    schema = json.loads(json_schema())
    assert "optimizer" in schema["properties"]
    assert "mma" in schema["$defs"]["Regularizer"]["properties"]["name"]["enum"]
    assert "extends" in schema["properties"]
    shipped_schema = (Path(__file__).parents[3] / "configs" / "schema.json").read_text()
    assert json.loads(shipped_schema) == schema, "write json_schema() to configs/schema.json again"
