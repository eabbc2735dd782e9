"""The JSON schema with which editors complete and check configs (configs/schema.json)."""

from __future__ import annotations

import json
from typing import Any, Union

from pydantic import TypeAdapter

from arcface_plus.config.tasks import TASKS


def json_schema() -> str:
    """The config of every task as JSON schema, for files that may extend others.

    Such a file need not repeat a component's name, so a section matches any (not exactly one) of
    its components' schemas, and no key is required.
    """
    any_task: Any = Union[tuple(TASKS.values())]  # noqa: UP007
    schema = TypeAdapter(any_task).json_schema()
    for shape in TASKS.values():
        schema["$defs"][shape.__name__]["properties"]["extends"] = {
            "type": "string",
            "description": "another file, relative to this one; the keys here override its keys",
        }
    for section in schema["$defs"].values():
        section.pop("required", None)
    return json.dumps(without_discriminators(schema), indent=2)


def without_discriminators(node: Any) -> Any:
    """A schema with "any of" instead of "exactly one of"."""
    if isinstance(node, list):
        return [without_discriminators(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: without_discriminators(value) for key, value in node.items() if key != "discriminator"
    }
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    return node
