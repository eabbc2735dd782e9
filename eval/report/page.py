"""What all pages share: one HTML file that needs nothing besides itself, no network, no script.

Everything that comes from files is escaped by the templates; pictures are inline SVG, and the faces
of pairs are data: URLs. What the parts look like is in parts.html.jinja and style.css.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from data_prep.errors import printable
from eval.report.charts import legend, svg
from eval.report.colours import colour
from eval.report.sections import missing
from eval.runs import Run
from eval.series import environment

SHORT = 30
"""Cells of a table up to this many characters stay on one line."""

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class EnvironmentRow:
    """A key and what each run says of it, (run, text); run is "" for what all of them say."""

    key: str
    values: tuple[tuple[str, str], ...]


def render(template: str, **values: object) -> str:
    """A page from its template; `style` and `SHORT` are there in all of them."""
    style = Markup((FOLDER / "style.css").read_text(encoding="utf-8"))
    return _templates().get_template(template).render(style=style, SHORT=SHORT, **values)


def environment_rows(runs: Sequence[Run]) -> tuple[list[EnvironmentRow], list[str]]:
    """One row a key, with a value that all runs share once; and what is missing.

    Raises:
        DataError: an environment.json is broken.
    """
    found = {run.name: environment(run) for run in runs}
    remarks = missing("Environment", [n for n, e in found.items() if not e], "no environment.json")
    present = {name: content for name, content in found.items() if content}
    rows = []
    for key in dict.fromkeys(key for content in present.values() for key in content):
        texts = {name: _plain(content.get(key, "—")) for name, content in present.items()}
        shared = len(set(texts.values())) == 1
        values = (("", next(iter(texts.values()))),) if shared else tuple(texts.items())
        rows.append(EnvironmentRow(key, values))
    return rows, remarks


def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    templates.filters |= {"soft": _soft, "svg": svg, "legend": legend, "colour": colour}
    return templates


def _shown(value: object) -> object:
    """Control characters and broken bytes of names are shown, not handed to the browser."""
    return printable(value) if type(value) is str else value


def _soft(text: str) -> Markup:
    """Escaped, and with places to break long names and paths where a phone needs it."""
    escaped = str(escape(printable(text)))
    return Markup(escaped.replace("_", "_<wbr>").replace("/", "/<wbr>"))


def _plain(value: object) -> str:
    if isinstance(value, list):  # a command line
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
