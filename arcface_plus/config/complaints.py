"""Complaints about a config in the user's words: the key, what it should be, and what it is."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from arcface_plus.config.components import Choice, OneOf, one_of

_EXPECTED: Mapping[str, Callable[[Any], str]] = {
    "int_type": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_type": lambda _: "true or false",
    "string_type": lambda _: "text",
    "string_too_short": lambda _: "text that is not empty",
    "tuple_type": lambda _: "a list",
    "model_type": lambda _: "keys and values",
    "model_attributes_type": lambda _: "keys and values",
    "too_long": lambda c: f"{c['max_length']} items",
    "too_short": lambda c: f"{c['min_length']} items",
    "missing": lambda _: "one more item",
    "literal_error": lambda c: c["expected"].replace("'", ""),
    "greater_than": lambda c: f"a number greater than {c['gt']}",
    "greater_than_equal": lambda c: f"a number of at least {c['ge']}",
    "less_than": lambda c: f"a number less than {c['lt']}",
    "less_than_equal": lambda c: f"a number of at most {c['le']}",
}
_NO_SECTION = {"model_type", "model_attributes_type"}
_A_COMPONENT = "a name, or keys and values with one"


class _Place(NamedTuple):
    """Where in the tree an error is."""

    key: str
    """Dotted, "" for the whole."""
    parent: type[BaseModel] | None
    """The section that the last part of the key belongs to."""
    section: type[BaseModel] | None
    """The section at the key, if it is one and its components are known."""
    choice: OneOf | None
    """The components that may be there, if it is a section of some."""
    parent_choice: OneOf | None


def complaints(error: ValidationError, root: type[BaseModel]) -> str:
    """All of pydantic's errors in one line."""
    expected: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    other = []
    for entry in error.errors(include_url=False):
        place = _place(entry["loc"], root)
        kind, context = entry["type"], entry.get("ctx", {})
        last = entry["loc"][-1] if entry["loc"] else ""
        if kind == "missing" and not isinstance(last, int):
            other.append(f"missing key {place.key}")
        elif kind in _EXPECTED:
            takes = (
                _A_COMPONENT if place.choice and kind in _NO_SECTION else _EXPECTED[kind](context)
            )
            expected.setdefault(place.key, []).append(takes)
            shown[place.key] = _shown(entry["input"], kind)
        else:
            other.append(_special(kind, entry, place, root))
    typed = [f"{k}: expected {' or '.join(e)}, got {shown[k]}" for k, e in expected.items()]
    return "; ".join([*other, *typed])


def _special(kind: str, entry: Any, place: _Place, root: type[BaseModel]) -> str:
    """Errors that are no matter of a value's type or range."""
    if kind == "extra_forbidden":
        return f"unknown key {place.key}{_nearest(place, root)}"
    if kind == "union_tag_invalid" and place.choice:
        key = entry["ctx"]["discriminator"].strip("'")
        choice = next(choice for choice in place.choice.choices if choice.key == key)
        return _unknown_name(place, choice, entry["input"][key])
    if kind == "invalid_key":
        return f"key {place.key}: keys are text, so quote it"
    message: str = entry["msg"].removeprefix("Value error, ")
    fields = place.section.model_fields if place.section else {}
    separator = "." if message.split(" ", 1)[0].split("[")[0] in fields else ": "
    return f"{place.key}{separator}{message}"


def _unknown_name(place: _Place, choice: Choice, given: Any) -> str:
    near = difflib.get_close_matches(str(given), choice.table, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    known = ", ".join(choice.table)
    return f"{place.key}.{choice.key}: unknown name {_shown(given)} ({meant}known: {known})"


def _place(location: tuple[Any, ...], root: type[BaseModel]) -> _Place:
    """Pydantic's location without the names of union branches that it holds."""
    key: list[str] = []
    parent, section = None, root
    choice = parent_choice = None
    parts = list(location)
    while parts:
        part = parts.pop(0)
        if section is None and key and isinstance(part, str):
            break  # a branch of a union of plain types
        key.append(str(part))
        parent, parent_choice = section, choice
        choice = one_of(section, part) if section else None
        field = section.model_fields.get(part) if section else None
        section = field.annotation if field and _is_model(field.annotation) else None  # type: ignore[assignment]
        if choice:
            names, parts = parts[: len(choice.choices)], parts[len(choice.choices) :]
            section = choice.models.get(tuple(names))  # type: ignore[assignment]
    return _Place(".".join(key), parent, section, choice, parent_choice)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _nearest(place: _Place, root: type[BaseModel]) -> str:
    """` (did you mean …?)` for a key that nobody knows."""
    prefix, _, last = place.key.rpartition(".")
    known = list(place.parent.model_fields) if place.parent else []
    near = difflib.get_close_matches(last, known, n=1, cutoff=0.5)
    if near:
        return f" (did you mean {prefix}{'.' if prefix else ''}{near[0]}?)"
    if place.parent_choice and (owners := place.parent_choice.owners(last)):
        return f" (a parameter of {' and '.join(owners)}; known: {', '.join(known)})"
    elsewhere = [name for name in _all_keys(root) if name.split(".")[-1] == last]
    if elsewhere:
        return f" (did you mean {elsewhere[0]}?)"
    return f" (known: {', '.join(known)})"


def _all_keys(section: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        if _is_model(field.annotation):
            yield from _all_keys(field.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]


def _shown(value: Any, kind: str = "") -> str:
    """A value as YAML writes it, shortened."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = text if len(text) <= 60 else text[:57] + "…"
    if kind == "float_type" and isinstance(value, str) and is_number(value):
        text += " (YAML needs a decimal point, as in 5.0e-4, and no quotes)"
    return text


def is_number(text: str) -> bool:
    """Whether Python reads it as a number; YAML 1.1 takes 5e-4 for text."""
    try:
        float(text)
    except ValueError:
        return False
    return True
