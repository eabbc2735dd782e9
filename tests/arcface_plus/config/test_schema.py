"""configs/schema.json: up to date, accepts shipped configs, refuses what a run would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from arcface_plus.config.schema import json_schema
from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.heads import HEADS
from arcface_plus.models.regularizers import REGULARIZERS

FOLDER = Path(__file__).parents[3] / "configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
SCHEMA = json.loads(json_schema())
TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "number": int | float,
    "boolean": bool, "null": type(None),
}  # fmt: skip
CHECKED = {
    "$ref", "anyOf", "type", "const", "enum", "properties", "additionalProperties", "items",
    "prefixItems", "minItems", "maxItems", "minLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum",
}  # fmt: skip
NOTES = {"title", "description", "default"}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is valid, for the JSON schema keywords that our schema uses."""
    assert schema.keys() <= CHECKED | NOTES | {"$defs"}, schema.keys()
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    if "anyOf" in schema:
        return any(fits(value, branch) for branch in schema["anyOf"])
    wanted = TYPES[schema["type"]] if "type" in schema else object
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted not in (bool, object)):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        assert schema["additionalProperties"] is False
        return all(k in known and fits(v, known[k]) for k, v in value.items())
    if isinstance(value, list):
        kinds = schema.get("prefixItems") or [schema["items"]] * len(value)
        return len(kinds) == len(value) and all(map(fits, value, kinds))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            value >= schema.get("minimum", value)
            and value <= schema.get("maximum", value)
            and value > schema.get("exclusiveMinimum", value - 1)
            and value < schema.get("exclusiveMaximum", value + 1)
        )
    return True


def test_the_shipped_schema_is_this_one():
    shipped = (FOLDER / "schema.json").read_text()
    assert json.loads(shipped) == SCHEMA, "write json_schema() to configs/schema.json again"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configs_fit(path):
    assert fits(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "tree",
    [
        {"extends": "a.yaml", "regularizer": {"candidates": 8}},  # the other file names it
        {"optimizer": {"name": "adamw", "schedule": "cosine", "betas": [0.9, 0.99]}},
        {"optimizer": {"milestones": [5], "gamma": 0.5, "momentum": 0}},
        {"model": {"backbone": {"name": "mobilefacenet", "width": 0.5}, "init": "b.pth"}},
        {"head": {"name": "arcface", "margin_gradient": "straight_through"}},
        {"logging": {"sinks": ["mlflow", "wandb"]}},
        {"regularizer": [{"name": "mma", "weight": 1, "layers": "all"}, "none"]},
        {"regularizer": {"name": "mhe", "power": 0.5, "layers": ["a*"], "row_scales": [1, 2.5]}},
    ],
)
def test_what_a_run_takes_fits(tree):
    assert fits(tree, SCHEMA)


@pytest.mark.parametrize(
    "tree",
    [
        {"head": {"name": "arcface", "margn": 0.5}},
        {"head": {"name": "softmax", "margin": 0.5}},
        {"head": {"name": "arcfac"}},
        {"head": {"scale": True}},
        {"head": {"scale": "64"}},
        {"regularizer": {"name": "mma", "mode": "fast"}},
        {"regularizer": {"name": "none", "candidates": 3}},
        {"regularizer": [{"name": "mma", "power": 2}]},
        {"regularizer": {"name": "mma", "layers": "some"}},
        {"regularizer": {"name": "mma", "reduction": "max"}},
        {"model": {"backbone": {"name": "r50", "width": 0.5}}},
        {"optimizer": {"name": "adamw", "momentum": 0.9}},
        {"optimizer": {"schedule": "cosine", "gamma": 0.1}},
        {"optimizer": {"steps": True}},
        {"data": {"batch_size": 1}},
        {"optimiser": {}},
        {"logging": {"sinks": ["tensorflow"]}},
    ],
)
def test_what_a_run_refuses_does_not_fit(tree):
    assert not fits(tree, SCHEMA)


def test_every_component_has_its_own_schema():
    for base, table in (("Backbone", BACKBONES), ("Head", HEADS), ("Regularizer", REGULARIZERS)):
        assert {name for name in SCHEMA["$defs"] if name.startswith(f"{base}_")} == {
            f"{base}_{name}" for name in table
        }
