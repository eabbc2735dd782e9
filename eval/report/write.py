"""A comparison → terminal, Markdown and HTML, all from the same tables and sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import ArrayLike
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from data_prep.errors import printable
from data_prep.files import write_bytes
from eval.compare import Comparison
from eval.report.page import to_html
from eval.report.tables import Table, tables


def to_terminal(comparison: Comparison, console: Console) -> None:
    """Print verdicts, tables, warnings and caveats."""
    console.print("Verdicts", style="bold")
    for verdict in verdicts(comparison):
        console.print(_text(f"  {verdict}"))
    for table in tables(comparison):
        drawn = RichTable(
            title=_text(table.title, "table.title"), title_justify="left", box=box.SIMPLE_HEAD
        )
        for index, column in enumerate(table.columns):
            # Figures stand under each other, names of runs may be broken over lines.
            drawn.add_column(_text(column), justify="left" if index == 0 else "right")
        for row in table.rows:
            drawn.add_row(*(_text(cell) for cell in row))
        console.print(drawn)
    for warning in comparison.warnings:
        console.print(_text(f"Warning: {warning}", "yellow"))
    for caveat in comparison.caveats:
        console.print(_text(f"Note: {caveat}", "dim"))


def _text(text: str, style: str = "") -> Text:
    """What Rich draws as it stands: names are no markup, and their control characters are shown."""
    return Text(printable(text), style)


def to_markdown(comparison: Comparison) -> str:
    """The same as one Markdown document."""
    names = " and ".join(_escaped(group.name) for group in comparison.groups)
    parts = [f"# Comparison of {names}", _bullets("Verdicts", verdicts(comparison))]
    parts += [_bullets("Warnings", comparison.warnings)] if comparison.warnings else []
    parts += [_markdown_table(table) for table in tables(comparison)]
    parts += [_bullets("What this cannot tell", comparison.caveats)]
    parts += [_bullets("Compared", [f"{run.name}: {run.results_file}" for run in comparison.runs])]
    return "\n\n".join(parts) + "\n"


def write(
    comparison: Comparison,
    out_dir: Path,
    class_angles: Mapping[str, ArrayLike] | None = None,
    pair_images: Mapping[str, Sequence[bytes]] | None = None,
) -> list[Path]:
    """Write compare.json, compare.md and compare.html into out_dir (made where it is missing).

    Returns the paths written. Each file is complete or absent.

    Args:
        class_angles: name of a run → the angle in degrees of each class to its nearest other one;
            whoever knows the models hands them in.
        pair_images: target → the 2·P encoded images of its pair file, for the worst pairs.

    Raises:
        DataError: a file of a run is broken.
        OSError: the directory cannot be written.
    """
    shown = [d.shown for target in comparison.targets for d in target.differences]
    sentences = list(zip(verdicts(comparison), shown, strict=True))
    texts = {
        "compare.json": json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) + "\n",
        "compare.md": to_markdown(comparison),
        "compare.html": to_html(comparison, sentences, class_angles or {}, pair_images or {}),
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        # A name's byte that is not UTF-8 is a lone surrogate, which this writes as JSON does.
        write_bytes(out_dir / name, text.encode("utf-8", "backslashreplace"))
    return [out_dir / name for name in texts]


def verdicts(comparison: Comparison) -> list[str]:
    """One sentence per target and group."""
    return [
        difference.sentence if difference.folds else f"{target.name}: {difference.sentence}"
        for target in comparison.targets
        for difference in target.differences
    ]


def _bullets(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {_escaped(line)}" for line in lines)])


def _markdown_table(table: Table) -> str:
    lines = [table.columns, ("---", *["---:"] * (len(table.columns) - 1)), *table.rows]
    drawn = ["| " + " | ".join(map(_escaped, line)) + " |" for line in lines]
    return "\n".join([f"## {_escaped(table.title)}", "", *drawn])


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _escaped(text: str) -> str:
    """Text that Markdown, and the HTML made of it, shows as it stands: no tag, link, or code."""
    return re.sub(
        r"[&<>\\`*|]|\](?=[(\[:])",
        lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"),
        printable(text),
    )
