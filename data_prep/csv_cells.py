"""Cells of a CSV file that people open in a spreadsheet: text is never run as a formula there."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MARKED = re.compile(r"'+[=+\-@\t\r]")


def as_cell(text: str) -> str:
    """`text`, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """The text that `as_cell` made this cell from."""
    return cell[1:] if _MARKED.match(cell) else cell
