"""Error messages about a config in the user's terms: the key, what is expected, what it is."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from arcface_plus.config.components import OneOf, OneOrMore, one_of
from data_prep.validation_errors import EXPECTED, shown

_NO_SECTION = {"model_type", "model_attributes_type"}
_A_COMPONENT = "a name, or keys and values with one"


class _Place(NamedTuple):
    """Where in the config an error is."""

    key: str
    """Dotted, "" for the whole config."""
    parent: type[BaseModel] | None
    """The section that the last part of the key belongs to."""
    section: type[BaseModel] | None
    """The section at the key, if it is one and its components are known."""
    choice: OneOf | None
    """The components to choose from, if it is a component's section."""
    parent_choice: OneOf | None


def complaints(
    error: ValidationError,
    root: type[BaseModel],
    alternatives: Mapping[str, type[BaseModel]] | None = None,
) -> str:
    """All of pydantic's errors in one line.

    alternatives: other shapes that a tree may have, by the name of their `task`.
    """
    expected: dict[str, list[str]] = {}
    given: dict[str, str] = {}
    other = []
    for entry in error.errors(include_url=False):
        place = _place(entry["loc"], root)
        kind, context = entry["type"], entry.get("ctx", {})
        last = entry["loc"][-1] if entry["loc"] else ""
        if kind == "missing" and not isinstance(last, int):
            other.append(f"missing key {place.key}")
        elif kind in EXPECTED:
            named = place.choice and kind in _NO_SECTION
            takes = _A_COMPONENT if named else EXPECTED[kind](context)
            expected.setdefault(place.key, []).append(takes)
            given[place.key] = _shown(entry["input"], kind)
        elif kind == "extra_forbidden" and (task := _task_with(place.key, alternatives or {})):
            other.append(f"{place.key}: is a key of task: {task}, not of this config's task")
        else:
            other.append(_special(kind, entry, place, root))
    typed = [f"{k}: expected {' or '.join(e)}, got {given[k]}" for k, e in expected.items()]
    return "; ".join([*other, *typed])


def _task_with(key: str, alternatives: Mapping[str, type[BaseModel]]) -> str | None:
    """The task whose config has a key, if one has."""
    return next((task for task, shape in alternatives.items() if key in _all_keys(shape)), None)


def _special(kind: str, entry: Any, place: _Place, root: type[BaseModel]) -> str:
    """Errors that do not concern a value's type or range."""
    if kind == "extra_forbidden":
        return f"unknown key {place.key}{_nearest(place, root)}"
    if kind == "union_tag_invalid" and place.choice:
        key = entry["ctx"]["discriminator"].strip("'")
        choice = next(choice for choice in place.choice.choices if choice.key == key)
        unknown = unknown_name("name", entry["input"][key], choice.table)
        return f"{place.key}.{choice.key}: {unknown}"
    if kind == "invalid_key":
        return f"key {place.key}: keys are text, so quote it"
    message: str = entry["msg"].removeprefix("Value error, ")
    if not place.key:  # about several sections: the message names its keys
        return message
    fields = place.section.model_fields if place.section else {}
    if not place.key:
        return message
    separator = "." if message.split(" ", 1)[0].split("[")[0] in fields else ": "
    return f"{place.key}{separator}{message}"


def unknown_name(what: str, given: Any, known: Collection[str]) -> str:
    """`unknown backbone "r19" (did you mean r18? known: r18, r34, …)`."""
    near = difflib.get_close_matches(str(given), known, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"unknown {what} {shown(given)} ({meant}known: {', '.join(known)})"


def _place(location: tuple[Any, ...], root: type[BaseModel]) -> _Place:
    """Pydantic's location without the names of union branches in it."""
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
        if parts and field and (values := _values(field.annotation)):  # names of the user's choice
            key.append(str(parts.pop(0)))
            section = values
        if isinstance(choice, OneOrMore) and parts:
            several = parts.pop(0) == OneOrMore.LIST
            key += [str(index) for index in parts[:several]]
            parts = parts[several:]
        if choice:
            names, parts = parts[: len(choice.choices)], parts[len(choice.choices) :]
            section = choice.models.get(tuple(names))  # type: ignore[assignment]
    return _Place(".".join(key), parent, section, choice, parent_choice)


def _values(annotation: Any) -> type[BaseModel] | None:
    """The section that each value of a mapping is, if `annotation` is such a mapping."""
    arguments = get_args(annotation)
    named = get_origin(annotation) is dict and _is_model(arguments[1])
    return arguments[1] if named else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _nearest(place: _Place, root: type[BaseModel]) -> str:
    """` (did you mean …?)` for an unknown key."""
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
    """A value as YAML writes it, with a hint where YAML reads a number as text."""
    text = shown(value)
    if kind == "float_type" and isinstance(value, str) and is_number(value):
        text += " (YAML needs a decimal point, as in 5.0e-4, and no quotes)"
    return text


def is_number(text: str) -> bool:
    """Whether Python reads it as a number; YAML 1.1 reads 5e-4 as text."""
    try:
        float(text)
    except ValueError:
        return False
    return True
