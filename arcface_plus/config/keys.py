"""Every key of a config as a table: allowed values, default and meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from arcface_plus.config.components import Choice, OneOf, OneOrMore, one_of, parameters_of
from arcface_plus.config.tasks import TASKS

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true, false",
    "object": "keys and values",
}
_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
}


class Key(NamedTuple):
    key: str
    """Dotted, as in `--set`."""
    takes: str
    default: str
    """As YAML writes it; "required" where there is none."""
    meaning: str
    of: str = ""
    """The components that have this parameter."""


def config_keys(prefix: str = "") -> list[Key]:
    """The keys at or below `prefix` ("" for all), in the order of a config."""
    return [k for k in _of_all_tasks() if f"{k.key}.".startswith(f"{prefix}." if prefix else "")]


def _of_all_tasks() -> list[Key]:
    """Keys by section; those that not all tasks have in the same way say whose they are."""
    by_task = {task: list(_keys(shape, "")) for task, shape in TASKS.items()}
    rows: dict[str, list[Key]] = {}  # by section
    for task, keys in by_task.items():
        for row in keys:
            if all(row in every for every in by_task.values()):
                found = row
            else:
                found = row._replace(of=", ".join(filter(None, (f"task {task}", row.of))))
            section = rows.setdefault(row.key.split(".")[0], [])
            if found not in section:
                section.append(found)
    return [row for section in rows.values() for row in section]


def _keys(section: type[BaseModel], path: str) -> Iterator[Key]:
    schema = section.model_json_schema()
    for name, field in section.model_fields.items():
        key = path + name
        if choice := one_of(section, name):
            yield from _component_keys(choice, key)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{key}.")
        else:
            yield _key(key, schema["properties"][name], name in schema.get("required", ()))


def _component_keys(one: OneOf, key: str) -> Iterator[Key]:
    """The names, the keys common to all components, then the parameters of each."""
    for choice in one.choices:
        names = " | ".join(choice.table)
        short = f"; {key}=NAME for short" if choice is one.choices[0] else ""
        short += "; or a list of components" if isinstance(one, OneOrMore) else ""
        yield Key(f"{key}.{choice.key}", names, choice.default, f"component to use{short}")
    first = next(iter(one.models.values()))
    schema = first.model_json_schema()
    own = {parameter for _, fields in first.chosen.values() for parameter in fields}
    for name in first.model_fields:
        if name not in own and name not in {choice.key for choice in one.choices}:
            yield _key(
                f"{key}.{name}", schema["properties"][name], name in schema.get("required", ())
            )
    for choice in one.choices:
        yield from _parameter_keys(one, choice, key)


def _parameter_keys(one: OneOf, choice: Choice, key: str) -> Iterator[Key]:
    """One row per parameter; components with the same type and default share a row."""
    owners: dict[Key, list[str]] = {}
    at = one.choices.index(choice)
    for name, component in choice.table.items():
        model = next(m for names, m in one.models.items() if names[at] == name)
        schema = model.model_json_schema()
        for parameter in parameters_of(component):
            if parameter not in choice.given:
                required = parameter in schema.get("required", ())
                row = _key(f"{key}.{parameter}", schema["properties"][parameter], required)
                owners.setdefault(row, []).append(name)
    for row, names in owners.items():
        yield row._replace(of=", ".join(names))


def _key(key: str, schema: Mapping[str, Any], required: bool) -> Key:
    absent: Any = {} if schema.get("type") == "object" else None
    default = (
        "required" if required else json.dumps(schema.get("default", absent), ensure_ascii=False)
    )
    return Key(key, _takes(schema), default, schema.get("description", ""))


def _takes(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words: `whole number > 0 | null`."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_takes(branch) for branch in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        items = schema.get("items") or {"anyOf": schema.get("prefixItems", [])}
        return f"list of {_takes(items)}"
    kind = schema.get("type", "")
    bounds = [text.format(f"{schema[word]:g}") for word, text in _BOUNDS.items() if word in schema]
    return " ".join([_TYPES.get(kind, kind), *bounds])
