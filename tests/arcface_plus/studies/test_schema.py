"""configs/studies/schema.json: up to date, and it knows every key of the shipped studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from arcface_plus.config.recipes import studies
from arcface_plus.studies.schema import json_schema
from eval.metric import METRICS

SCHEMA = json.loads(json_schema())
FOLDER = Path(__file__).parents[3] / "configs" / "studies"


def test_the_shipped_schema_is_this_one():
    shipped = (FOLDER / "schema.json").read_text()
    assert json.loads(shipped) == SCHEMA, "write json_schema() to configs/studies/schema.json again"


@pytest.mark.parametrize("file", studies().values(), ids=studies())
def test_shipped_studies_use_its_keys_and_name_it(file):
    tree = yaml.safe_load(file.read_text())
    assert file.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert tree.keys() <= SCHEMA["properties"].keys()
    assert tree.keys() >= set(SCHEMA["required"])
    variant = SCHEMA["$defs"]["Variant"]["properties"]
    assert all((changes or {}).keys() <= variant.keys() for changes in tree["variants"].values())


def test_an_editor_offers_the_metrics_and_takes_empty_variants():
    assert SCHEMA["properties"]["metric"]["enum"] == list(METRICS)
    assert {"type": "null"} in SCHEMA["properties"]["variants"]["additionalProperties"]["anyOf"]
    assert SCHEMA["additionalProperties"] is False
