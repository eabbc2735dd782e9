"""A complaint about a config in the user's words: the key, and the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel


def complaint(error: Any, root: type[BaseModel]) -> str:
    """One pydantic error in the user's words."""
    location = [str(part) for part in error["loc"] if not _is_union_branch(part)]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        return f"unknown key {key}{_nearest(location, root)}"
    if error["type"] == "missing":
        return f"missing key {key}"
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error["input"], dict | BaseModel) else f" (got {error['input']!r})"
    return f"{key}: {message}{shown}"


def _is_union_branch(part: object) -> bool:
    """pydantic adds the branch of a union (`bool`, `literal['auto']`) to the location."""
    return isinstance(part, str) and (part in {"bool", "float", "int"} or "[" in part)


def _nearest(location: Sequence[str], root: type[BaseModel]) -> str:
    """` (did you mean …?)` for a key that nobody knows."""
    section: Any = root
    for part in location[:-1]:
        section = section.model_fields[part].annotation
    known = _known_keys(section)
    near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
    if near:
        prefix = ".".join(location[:-1])
        return f" (did you mean {prefix}{'.' if prefix else ''}{near[0]}?)"
    elsewhere = [
        f"{name}.{location[-1]}"
        for name, field in root.model_fields.items()
        if location[-1] in _known_keys(field.annotation)
    ]
    return f" (did you mean {elsewhere[0]}?)" if elsewhere else f" (known: {', '.join(known)})"


def _known_keys(section: Any) -> list[str]:
    fields: Iterable[str] = getattr(section, "model_fields", {})
    return [*fields]
