"""A comparison on a terminal: the verdicts and what they hang on, on one screen; no more."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from data_prep.errors import printable
from eval.compare import Comparison
from eval.conditions import KeyValues, matters
from eval.report.headline import Headline, headline
from eval.report.values import value_rows
from eval.wording import listed

MOST_SETTINGS = 6
"""So many config differences are listed; the others are counted."""


def to_terminal(comparison: Comparison, console: Console) -> None:
    """Print verdicts, warnings, and the settings that can explain a difference."""
    print_table(comparison, console)
    for warning in comparison.warnings:
        console.print(text(f"Warning: {warning}", "yellow"))
    for line in _settings(comparison):
        console.print(text(line))
    if not comparison.by_seed:
        console.print(text("One run of each: this compares two networks, not two methods.", "dim"))


def print_table(comparison: Comparison, console: Console) -> None:
    """Print the verdicts and how they came about."""
    found = headline(comparison)
    console.print(text(_title(comparison, found), "bold"))
    console.print(_table(found))
    console.print(text(found.note, "dim"))
    if found.resolved:
        console.print(text(found.resolved, "dim"))


def _title(comparison: Comparison, found: Headline) -> str:
    runs = [len(group.runs) for group in comparison.groups]
    counts = f" ({listed(list(map(str, runs)))} runs)" if comparison.by_seed else ""
    return f"{listed(found.others)} against {found.reference}{counts}"


def _table(found: Headline) -> RichTable:
    """A row a verdict; on 80 columns each is one line, unless names are long."""
    several = len(found.others) > 1
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    drawn.add_column("target", overflow="fold")
    if several:
        drawn.add_column("group", overflow="fold")
    drawn.add_column(f"{found.figure}, %", no_wrap=True)
    drawn.add_column(f"difference [{found.level}]", justify="right", no_wrap=True)
    drawn.add_column("p", justify="right", no_wrap=True)
    drawn.add_column("verdict", overflow="fold")
    for row in found.rows:
        before, after = (accuracy.split(" ")[0] for accuracy in row.accuracies)
        bounds = row.interval.replace(" to ", ", ")
        drawn.add_row(
            text(row.target),
            *([text(row.group)] if several else []),
            f"{before} → {after}",
            text(f"{row.difference} [{bounds}]" if row.bar else row.difference),
            row.p,
            text(row.verdict, "bold" if row.colour is not None else ""),
        )
    return drawn


def _settings(comparison: Comparison) -> Iterator[str]:
    """The config differences that can change a result, one line each."""
    rows = [row for row in comparison.config_differences if matters(row.key)]
    rows = [row for row in rows if not (comparison.by_seed and row.key == "run.seed")]
    rows = [row for row in rows if not _comes_with_a_name(row, rows)]
    if rows:
        yield "Settings that differ:"
    for key, *values in value_rows(comparison.groups, rows[:MOST_SETTINGS]):
        yield f"  {key}: {' | '.join(values)}"
    if len(rows) > MOST_SETTINGS:
        yield f"  and {len(rows) - MOST_SETTINGS} more"


def _comes_with_a_name(row: KeyValues, rows: list[KeyValues]) -> bool:
    """Whether a key is there in some runs only, because its section names another component."""
    section, _, key = row.key.rpartition(".")
    named = any(other.key == f"{section}.name" for other in rows)
    return named and key != "name" and None in row.values


def text(shown: str, style: str = "") -> Text:
    """What Rich draws as it stands: names are no markup, and their control characters are shown."""
    return Text(printable(shown), style)
