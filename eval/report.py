"""A comparison → terminal and Markdown, both from the same tables and sentences."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from eval.compare import Comparison, KeyValues
from eval.runs import TargetResult

NOTHING = "—"


@dataclass(frozen=True)
class Table:
    """A table before it is drawn: the first column names the row, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def to_terminal(comparison: Comparison, console: Console) -> None:
    """Print verdicts, tables, warnings and caveats."""
    console.print("Verdicts", style="bold")
    for verdict in verdicts(comparison):
        console.print(f"  {verdict}", markup=False, highlight=False)
    for table in tables(comparison):
        drawn = RichTable(title=escape(table.title), title_justify="left", box=box.SIMPLE_HEAD)
        for index, column in enumerate(table.columns):
            # Figures stand under each other, names of runs may be broken over lines.
            drawn.add_column(escape(column), justify="left" if index == 0 else "right")
        for row in table.rows:
            drawn.add_row(*(escape(cell) for cell in row))
        console.print(drawn)
    for warning in comparison.warnings:
        console.print(f"Warning: {warning}", style="yellow", markup=False, highlight=False)
    for caveat in comparison.caveats:
        console.print(f"Note: {caveat}", style="dim", markup=False, highlight=False)


def to_markdown(comparison: Comparison) -> str:
    """The same as one Markdown document."""
    names = " and ".join(_cell(run.name) for run in comparison.runs)
    parts = [f"# Comparison of {names}", _bullets("Verdicts", verdicts(comparison))]
    parts += [_bullets("Warnings", comparison.warnings)] if comparison.warnings else []
    parts += [_markdown_table(table) for table in tables(comparison)]
    parts += [_bullets("What this cannot tell", comparison.caveats)]
    parts += [_bullets("Compared", [f"{run.name}: {run.results_file}" for run in comparison.runs])]
    return "\n\n".join(parts) + "\n"


def write(comparison: Comparison, out_dir: Path) -> list[Path]:
    """Write compare.json and compare.md into out_dir (made where it is missing).

    Returns the paths written. Each file is complete or absent.

    Raises:
        OSError: the directory cannot be written.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    texts = {
        "compare.json": json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) + "\n",
        "compare.md": to_markdown(comparison),
    }
    for name, text in texts.items():
        unfinished = out_dir / f".{name}.tmp"
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, out_dir / name)
    return [out_dir / name for name in texts]


def verdicts(comparison: Comparison) -> list[str]:
    """One sentence per target and run."""
    return [
        f"{target.name}: {difference.verdict}"
        for target in comparison.targets
        for difference in target.differences
    ]


def tables(comparison: Comparison) -> list[Table]:
    """Accuracies, differences, the other figures, training, config; those that have rows."""
    names = tuple(run.name for run in comparison.runs)
    candidates = [
        Table(
            "Accuracy in %: mean ± standard deviation over the folds [95% interval]",
            ("target", *names),
            tuple((t.name, *map(_accuracy, t.results)) for t in comparison.targets),
        ),
        Table(
            "Difference of accuracy in points, paired by fold",
            ("target", "run − reference", "mean", "95% interval", "p", "difference shown"),
            tuple(_difference_rows(comparison)),
        ),
        Table(
            "Further figures in %",
            ("target", *names),
            tuple(_further_rows(comparison)),
        ),
        Table("Training", ("", *names), _value_rows(comparison.training)),
        Table("Config differences", ("key", *names), _value_rows(comparison.config_differences)),
    ]
    return [table for table in candidates if table.rows]


def _accuracy(result: TargetResult | None) -> str:
    if result is None:
        return NOTHING
    accuracy = result.accuracy
    low, high = (_percent(bound) for bound in accuracy.ci95)
    return f"{_percent(accuracy.mean)} ± {_percent(accuracy.std)} [{low}, {high}]"


def _difference_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for target in comparison.targets:
        for difference in target.differences:
            pair = f"{difference.run} − {difference.reference}"
            paired = difference.paired
            if paired is None:
                rows.append((target.name, pair, NOTHING, NOTHING, NOTHING, "not compared"))
                continue
            low, high = (f"{100 * bound:+.2f}" for bound in paired.interval)
            p = "< 0.001" if paired.p < 0.001 else f"{paired.p:.3f}"
            shown = "yes" if difference.shown else "no"
            mean = f"{100 * paired.mean:+.2f}"
            rows.append((target.name, pair, mean, f"{low} to {high}", p, shown))
    return rows


def _further_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for target in comparison.targets:
        figures: list[dict[str, float | None]] = [
            {"AUC": result.auc, "EER": result.eer}
            | {f"TAR at FAR {far}": tar for far, tar in result.tar_at_far.items()}
            if result is not None
            else {}
            for result in target.results
        ]
        for name in dict.fromkeys(name for row in figures for name in row):
            values = [row.get(name) for row in figures]
            if any(value is not None for value in values):
                cells = (NOTHING if value is None else _percent(value) for value in values)
                rows.append((f"{target.name} {name}", *cells))
    return rows


def _value_rows(rows: Sequence[KeyValues]) -> tuple[tuple[str, ...], ...]:
    return tuple((row.key, *(_value(row.key, value) for value in row.values)) for row in rows)


def _value(key: str, value: str | None) -> str:
    """A JSON value as a reader wants it: strings bare, numbers short, seconds as a time."""
    if value is None:
        return NOTHING
    content = json.loads(value)
    if isinstance(content, str):
        return content
    if isinstance(content, float | int) and not isinstance(content, bool):
        if key.endswith("seconds") and content >= 60:
            minutes, seconds = divmod(round(content), 60)
            return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        return f"{content:.6g}" if isinstance(content, float) else str(content)
    return value


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _bullets(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)])


def _markdown_table(table: Table) -> str:
    lines = [table.columns, ("---", *["---:"] * (len(table.columns) - 1)), *table.rows]
    drawn = ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]
    return "\n".join([f"## {table.title}", "", *drawn])


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
