"""The table of keys lists exactly the keys of a config."""

from __future__ import annotations

from typing import Any

from arcface_plus.config.keys import config_keys
from arcface_plus.config.tree import load, shipped


def leaves(tree: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, value in tree.items():
        inner = isinstance(value, dict)
        found |= leaves(value, f"{prefix}{key}.") if inner else {prefix + key}
    return found


def test_every_key_of_a_resolved_config_is_listed():
    listed = {row.key for row in config_keys()}
    for recipe in ("casia_r50_arcface_plus", "demo_arcface", "cfp_mobilefacenet_arcface"):
        assert leaves(load(shipped(recipe)).model_dump(mode="json")) <= listed


def test_every_row_is_a_key_that_a_config_takes():
    for row in config_keys():
        section = row.key.split(".")[0]
        assert section in type(load(shipped("smoke"))).model_fields, row


def test_a_parameter_is_listed_once_for_each_default():
    rows = {row.default: row.of.split(", ") for row in config_keys("optimizer.lr")}
    assert "sgd" in rows["0.1"]
    assert "adamw" in rows["0.001"]
    scales = [row.of.split(", ") for row in config_keys("head.scale")]
    assert any({"arcface", "softmax"} <= set(owners) for owners in scales)


def test_what_a_key_takes_is_in_words():
    takes = {row.key: row.takes for row in config_keys()}
    assert takes["data.batch_size"] == "whole number ≥ 2"
    assert takes["model.dropout"] == "number ≥ 0 < 1"
    assert takes["data.micro_batch_size"] == "whole number > 0 | null"
    assert takes["optimizer.milestones"] == "list of whole number"
    assert takes["runtime.compile"] == "true, false | auto"
    assert takes["head.name"].startswith("arcface | ")


def test_no_json_schema_terms_are_shown():
    for row in config_keys():
        assert row.takes, row
        assert not any(word in row.takes for word in ("integer", "string", "boolean", "array")), row


def test_a_prefix_is_a_section_or_a_key():
    assert {row.key.split(".")[0] for row in config_keys("head")} == {"head"}
    assert [row.key for row in config_keys("data.micro_batch_size")] == ["data.micro_batch_size"]
    assert config_keys("hea") == []
