"""Merges configs: files that extend others, and `--set key.sub=value`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from arcface_plus.config.complaints import is_number
from arcface_plus.config.components import one_of
from data_prep.errors import UserError
from data_prep.yaml_file import parse_yaml


def merged(
    base: Mapping[str, Any], over: Mapping[str, Any], section: type[BaseModel] | None
) -> dict[str, Any]:
    """`over` on top of `base`, section by section.

    A section that names another component drops the parameters of the previous one. A name alone
    (`model.backbone=r18`) is a section without other keys.
    """
    result = dict(base)
    for key in over:
        choice = one_of(section, key) if section else None
        old, new = (choice.spelled_out(t.get(key)) if choice else t.get(key) for t in (base, over))
        if isinstance(new, dict) and isinstance(old, dict):
            kept = choice.without_former(old, new) if choice else old
            result[key] = merged(kept, new, _section(section, key))
        elif isinstance(old, list) and isinstance(new, dict) and choice and "name" not in new:
            raise UserError(
                f"{key}: is a list, which cannot be changed in part; set {key} to a whole list"
            )
        else:
            result[key] = new
    return result


def setting(text: str) -> dict[str, Any]:
    """`key.sub=value` as a tree; the value is YAML, so numbers, lists and null work."""
    key, equals, written = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise UserError(f"--set {text}: expected key.sub=value")
    try:
        value = parse_yaml(written)
    except ValueError as error:
        raise UserError(f"--set {key}: invalid value: {error}") from None
    if isinstance(value, str) and is_number(value):
        value = float(value)  # YAML 1.1 reads 5e-4 as text
    return nested(".".join(path), value)


def nested(dotted: str, value: Any) -> dict[str, Any]:
    """`a.b` and a value → {"a": {"b": value}}."""
    *sections, last = dotted.split(".")
    tree = {last: value}
    for name in reversed(sections):
        tree = {name: tree}
    return tree


def changed_tree(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes as a study writes them, keys nested or dotted → one tree, to be merged over a base.

    UserError for an empty part of a dotted key, or a key that is there twice.
    """
    tree: dict[str, Any] = {}
    for key, value in changes.items():
        if not all(key.split(".")):
            raise UserError(f"{key!r}: expected key.sub")
        tree = _joined(tree, nested(key, value), "")
    return tree


def _joined(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    result = dict(first)
    for key, value in second.items():
        before = result.get(key, {})
        if not (isinstance(before, dict) and isinstance(value, dict)) and key in result:
            raise UserError(f"{prefix}{key} is changed twice; write it once, with all of its keys")
        both = isinstance(before, dict) and isinstance(value, dict)
        result[key] = _joined(before, value, f"{prefix}{key}.") if both else value
    return result


def _section(section: type[BaseModel] | None, key: str) -> type[BaseModel] | None:
    field = section.model_fields.get(key) if section else None
    annotation: Any = field.annotation if field else None
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None
