"""A comparison → one HTML page that needs nothing besides itself: no network, no script.

What is shown is gathered here, its markup is in page.html.jinja. Everything that comes from files
is escaped by the template; pictures are inline SVG, and the faces of pairs are data: URLs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import ArrayLike

from data_prep.errors import printable
from eval.compare import Comparison
from eval.report.charts import legend, svg
from eval.report.figures import missing, sections
from eval.report.intervals import intervals
from eval.report.pairs import worst_pairs
from eval.report.tables import CONFIG_DIFFERENCES, tables
from eval.series import environment

SHORT = 30
"""Cells of a table up to this many characters stay on one line."""

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class EnvironmentRow:
    """A key and what each run says of it, (run, text); run is "" for what all of them say."""

    key: str
    values: tuple[tuple[str, str], ...]


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
    every = tables(comparison)
    environment_rows, environment_remarks = _environment(comparison)
    return _environment_of_templates().get_template("page.html.jinja").render(
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        names=" and ".join(group.name for group in comparison.groups),
        verdicts=verdicts,
        intervals=intervals(comparison),
        warnings=comparison.warnings,
        tables=[table for table in every if table.title != CONFIG_DIFFERENCES],
        sections=sections(comparison, class_angles),
        worst_pairs=worst_pairs(comparison, pair_images),
        config_remarks=_config_remarks(comparison),
        config_tables=[table for table in every if table.title == CONFIG_DIFFERENCES],
        environment_remarks=environment_remarks,
        environment_rows=environment_rows,
        caveats=comparison.caveats,
        compared=[f"{run.name}: {run.results_file}" for run in comparison.runs],
        SHORT=SHORT,
    )  # fmt: skip


def _environment_of_templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    templates.filters |= {"soft": _soft, "svg": svg, "legend": legend}
    return templates


def _shown(value: object) -> object:
    """Control characters and broken bytes of names are shown, not handed to the browser."""
    return printable(value) if type(value) is str else value


def _soft(text: str) -> Markup:
    """Escaped, and with places to break long names and paths where a phone needs it."""
    escaped = str(escape(printable(text)))
    return Markup(escaped.replace("_", "_<wbr>").replace("/", "/<wbr>"))


def _config_remarks(comparison: Comparison) -> list[str]:
    without = [run.name for run in comparison.runs if run.config is None]
    remarks = missing("Settings", without, "no config.yaml")
    if not comparison.config_differences and len(without) < len(comparison.runs):
        remarks.insert(0, "The configs at hand do not differ.")
    return remarks


def _environment(comparison: Comparison) -> tuple[list[EnvironmentRow], list[str]]:
    """One row a key, with a value that all runs share once; and what is missing."""
    found = {run.name: environment(run) for run in comparison.runs}
    remarks = missing("Environment", [n for n, e in found.items() if not e], "no environment.json")
    present = {name: content for name, content in found.items() if content}
    rows = []
    for key in dict.fromkeys(key for content in present.values() for key in content):
        texts = {name: _text(content.get(key, "—")) for name, content in present.items()}
        shared = len(set(texts.values())) == 1
        values = (("", next(iter(texts.values()))),) if shared else tuple(texts.items())
        rows.append(EnvironmentRow(key, values))
    return rows, remarks


def _text(value: object) -> str:
    if isinstance(value, list):  # a command line
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
