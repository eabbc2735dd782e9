"""YAML as configs use it, read safely: small, flat, each key once, and never executed.

Errors name the file and the line. They do not repeat what stands there: a path may point, by
mistake or by `extends`, to a file whose content is not meant for a log.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from data_prep.errors import DataError

LARGEST = 1 << 18  # bytes; PyYAML reads about 100 KB a second
DEEPEST = 50
MOST_NODES = 20_000  # with every alias counted as often as it repeats its anchor
_SHOWN_KEY = re.compile(r"[\w.-]{1,60}")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, plain values only.

    Raises:
        DataError: absent, too large, not UTF-8, not YAML, a key twice, nested or repeated beyond
            the bounds above, or not a mapping with text as keys. One line.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST} bytes, so not a config")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line}: not UTF-8; save it as UTF-8") from None
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DataError(f"{path}: expected a mapping, `key: value` or `section:` on each line")
    return content


def parse_yaml(text: str) -> Any:
    """The value that a YAML text says. Raises ``ValueError`` (one line) with the line's number."""
    try:
        return _Loader(text).get_single_data()
    except _Refused:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{_line(mark)}not YAML{_hint(error)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: a control character, which YAML forbids") from None
    except (ValueError, OverflowError):  # the number or date of a scalar that only looks like one
        raise ValueError("a value looks like a number or date and is none; quote it") from None


class _Refused(ValueError):
    """YAML, but not such as we take."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds, and with an error for a key that stands twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0
        self._sizes: dict[int, int] = {}  # nodes under each finished node, by id

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark
        aliased = self.check_event(yaml.AliasEvent)
        before = self._nodes
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"{_line(mark)}nested more than {DEEPEST} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if aliased and id(node) not in self._sizes:
            raise _Refused(f"{_line(mark)}an alias inside what it stands for")
        self._nodes += self._sizes[id(node)] if aliased else 1
        if self._nodes > MOST_NODES:
            raise _Refused(f"{_line(mark)}more than {MOST_NODES} values, aliases repeated")
        if not aliased:
            self._sizes[id(node)] = self._nodes - before
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                before = first.setdefault((key.tag, key.value), key.start_mark)
                if before is not key.start_mark:
                    name = f"key {key.value}" if _SHOWN_KEY.fullmatch(key.value) else "a key"
                    lines = f"line {before.line + 1} and again in line {key.start_mark.line + 1}"
                    raise _Refused(f"{name} stands in {lines}; remove one of them")
        return node


def _line(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}: " if mark else ""


def _hint(error: yaml.MarkedYAMLError) -> str:
    return " (a tab; indent with spaces)" if "'\\t'" in str(error.problem) else ""
