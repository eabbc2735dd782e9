"""What pydantic finds wrong with a value, in the user's words: what was expected, what is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

EXPECTED: Mapping[str, Callable[[Any], str]] = {
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "float_parsing": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "string_type": lambda _: "text",
    "string_too_short": lambda _: "text that is not empty",
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "keys and values",
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
"""Kind of an error → what was expected, given its context."""


def first_misfit(error: ValidationError) -> str:
    """The first of pydantic's errors: `scale: expected a number, got "x"`."""
    entry = error.errors(include_url=False)[0]
    kind, location = entry["type"], entry["loc"]
    if kind == "missing" and location and isinstance(location[-1], str):
        return f"missing key {_dotted(location)}"
    where = f"{_dotted(location)}: " if location else ""
    if kind not in EXPECTED:
        return where + entry["msg"].removeprefix("Value error, ")
    return f"{where}expected {EXPECTED[kind](entry.get('ctx', {}))}, got {shown(entry['input'])}"


def shown(value: Any) -> str:
    """A value as JSON and YAML write it, shortened."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))
