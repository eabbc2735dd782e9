"""A table of docs/judge.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEEDS = (2, 3, 5, 10)
"""Seeds per recipe, the columns of most tables."""


@dataclass(frozen=True)
class Table:
    """Title, head and rows; as text it is Markdown."""

    title: str
    head: Sequence[object]
    rows: Sequence[Sequence[object]]

    def __str__(self) -> str:
        lines = [f"| {' | '.join(map(str, row))} |" for row in [self.head, *self.rows]]
        lines.insert(1, "|---" * len(self.head) + "|")
        return "\n".join([f"**{self.title}**", "", *lines, ""])


def seed_head(*first: str, seeds: Sequence[int] = SEEDS) -> list[str]:
    """The head of a table with a column for each number of seeds."""
    return [*first, *(f"{number} seeds" for number in seeds)]
