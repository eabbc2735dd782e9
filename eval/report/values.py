"""Values of configs and summaries as a reader wants them, one run's or a group's in one cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from eval.conditions import KeyValues
from eval.groups import Group

NOTHING = "—"
FEW = 5
"""So many different values of a group are all listed."""

T = TypeVar("T")


def value_rows(groups: Sequence[Group], rows: Sequence[KeyValues]) -> tuple[tuple[str, ...], ...]:
    """One row a key: the key, then a cell a group."""
    return tuple(
        (row.key, *by_group(groups, row.values, partial(_values, row.key))) for row in rows
    )


def by_group(
    groups: Sequence[Group], values: Sequence[T | None], cell: Callable[[list[T]], str]
) -> list[str]:
    """One cell a group, made of its runs' values that are there."""
    rest = iter(values)
    parts = [[next(rest) for _ in group.runs] for group in groups]
    return [cell([value for value in part if value is not None]) for part in parts]


def value(key: str, text: str) -> str:
    """A JSON value as a reader wants it: strings bare, numbers short, seconds as a time."""
    content = json.loads(text)
    if isinstance(content, str):
        return content
    if isinstance(content, float | int) and not isinstance(content, bool):
        if key.endswith("seconds") and content >= 60:
            minutes, seconds = divmod(round(content), 60)
            return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        return f"{content:.6g}" if isinstance(content, float) else str(content)
    return text


def _values(key: str, texts: list[str]) -> str:
    """The values of a group's runs: all that differ if few, else the ends."""
    distinct = list(dict.fromkeys(texts))
    if len(distinct) <= FEW and not (len(distinct) > 1 and all(_is_float(t) for t in distinct)):
        return ", ".join(value(key, text) for text in distinct) or NOTHING
    numbers = sorted((json.loads(text), text) for text in distinct if _is_number(text))
    if len(numbers) < len(distinct):
        return f"{len(distinct)} different values"
    return f"{value(key, numbers[0][1])} to {value(key, numbers[-1][1])}"


def _is_number(text: str) -> bool:
    content = json.loads(text)
    return isinstance(content, int | float) and not isinstance(content, bool)


def _is_float(text: str) -> bool:
    return isinstance(json.loads(text), float)
