"""A comparison → one HTML page that needs nothing besides itself: no network, no script.

Verdicts come first, then the tables and what was behind them. Everything that comes from files is
escaped; pictures are inline SVG, and the faces of pairs are data: URLs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from numpy.typing import ArrayLike

from eval.compare import Comparison
from eval.report.figures import Section, intervals, missing, sections
from eval.report.pairs import worst_pairs
from eval.report.style import STYLE
from eval.report.tables import CONFIG_DIFFERENCES, Table, tables
from eval.series import environment

SHORT = 30
"""Cells of a table up to this many characters stay on one line."""


def to_html(
    comparison: Comparison,
    verdicts: Sequence[tuple[str, bool]],
    class_angles: Mapping[str, ArrayLike],
    pair_images: Mapping[str, Sequence[bytes]],
) -> str:
    """The whole page.

    Args:
        verdicts: sentences, and whether each shows a difference.
        class_angles: name of a run → the angle in degrees of each class to its nearest other.
        pair_images: target → the 2·P encoded images of its pair file.

    Raises:
        DataError: a file of a run is broken; what is missing is said in the page instead.
    """
    names = " and ".join(group.name for group in comparison.groups)
    every = tables(comparison)
    config = [table for table in every if table.title == CONFIG_DIFFERENCES]
    body = [
        f"<h1>Comparison of {escape(names)}</h1>",
        *(
            f'<p class="verdict{" shown" if shown else ""}">{escape(sentence)}</p>'
            for sentence, shown in verdicts
        ),
        intervals(comparison),
        *(f'<p class="warning">Warning: {escape(text)}</p>' for text in comparison.warnings),
        "<h2>Figures</h2>",
        *(_table(table) for table in every if table not in config),
        *(_section(section) for section in sections(comparison, class_angles)),
        _pairs(worst_pairs(comparison, pair_images)),
        _config(comparison, config),
        _environment(comparison),
        _list("What this cannot tell", comparison.caveats),
        _list("Compared", [f"{run.name}: {run.results_file}" for run in comparison.runs]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>Comparison of {escape(names)}</title>\n<style>{STYLE}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(filter(None, body)) + "\n</main>\n</body>\n</html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_soft(column)}</th>' for column in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{_soft(first)}</th>{"".join(map(_cell, cells))}</tr>'
        for first, *cells in table.rows
    )
    return (
        f"<h3>{escape(table.title)}</h3>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    short = ' class="short"' if len(text) <= SHORT else ""
    return f"<td{short}>{_soft(text)}</td>"


def _soft(text: str) -> str:
    """Escaped, and with places to break long names and paths where a phone needs it."""
    return escape(text).replace("_", "_<wbr>").replace("/", "/<wbr>")


def _section(section: Section) -> str:
    grid = f'<div class="figures">{"".join(section.figures)}</div>' if section.figures else ""
    return f"<h2>{escape(section.title)}</h2>{_remarks(section.remarks)}{grid}"


def _pairs(section: Section) -> str:
    return f"<h2>{section.title}</h2>{_remarks(section.remarks)}{''.join(section.figures)}"


def _remarks(remarks: Sequence[str]) -> str:
    return "".join(f'<p class="remark">{escape(remark)}</p>' for remark in remarks)


def _list(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<h2>{escape(title)}</h2><ul class="plain">{items}</ul>' if items else ""


def _config(comparison: Comparison, found: Sequence[Table]) -> str:
    without = [run.name for run in comparison.runs if run.config is None]
    remarks = missing("Settings", without, "no config.yaml")
    if not found and len(without) < len(comparison.runs):
        remarks.insert(0, "The configs at hand do not differ.")
    return "<h2>Config</h2>" + _remarks(remarks) + "".join(map(_table, found))


def _environment(comparison: Comparison) -> str:
    """One row a key; a value that all runs share is written once."""
    found = {run.name: environment(run) for run in comparison.runs}
    remarks = missing("Environment", [n for n, e in found.items() if not e], "no environment.json")
    present = {name: content for name, content in found.items() if content}
    rows = [
        f'<tr><th scope="row">{escape(key)}</th><td>{_values(present, key)}</td></tr>'
        for key in dict.fromkeys(key for content in present.values() for key in content)
    ]
    drawn = f'<div class="scroll"><table class="text">{"".join(rows)}</table></div>' if rows else ""
    return f"<h2>Environment</h2>{_remarks(remarks)}{drawn}"


def _values(present: Mapping[str, Mapping[str, Any]], key: str) -> str:
    texts = {name: _text(content.get(key, "—")) for name, content in present.items()}
    if len(set(texts.values())) == 1:
        return escape(next(iter(texts.values())))
    return "<br>".join(f"{escape(name)}: {escape(text)}" for name, text in texts.items())


def _text(value: object) -> str:
    if isinstance(value, list):  # a command line
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
