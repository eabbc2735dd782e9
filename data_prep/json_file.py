"""JSON files that may come from anyone: bounded in size and depth, every complaint one line."""

from __future__ import annotations

import json
from pathlib import Path

from data_prep.errors import DataError, first_line

LARGEST = 16 * 2**20
"""Bytes. What a run writes has a few kilobytes; in memory lists take twenty times that."""

DEEPEST = 50
"""Levels of nesting. What a run writes has about five; readers may walk a value recursively."""


def read_json(path: Path) -> object:
    """The value that a JSON file holds.

    Raises:
        DataError: not UTF-8, not JSON, too large or nested too deeply.
        OSError: absent or unreadable.
    """
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise DataError(f"{path}: has more than {LARGEST} bytes, too many for a file of this kind")
    return parse_json(data, str(path))


def read_json_mapping(path: Path) -> dict[str, object]:
    """As `read_json`, for files that must hold an object.

    Raises:
        DataError: see `read_json`; or the value is another one.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no keys and values")
    return content


def parse_json(data: bytes, where: str) -> object:
    """The value of a JSON text; `where` names it in messages.

    Raises:
        DataError: see `read_json`.
    """
    try:
        content = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({first_line(error)})") from None
    except RecursionError:
        raise DataError(f"{where}: nested too deeply") from None
    if _deeper(content, DEEPEST):
        raise DataError(f"{where}: nested too deeply, more than {DEEPEST} levels")
    return content


def _deeper(content: object, levels: int) -> bool:
    """Whether lists and objects lie more than `levels` deep in each other."""
    layer = [content]
    for _ in range(levels + 1):
        containers = [value for value in layer if isinstance(value, dict | list)]
        if not containers:
            return False
        layer = [
            child
            for value in containers
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return True
