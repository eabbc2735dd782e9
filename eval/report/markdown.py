"""A comparison, or one run, as a Markdown document, its first table as LaTeX too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data_prep.errors import printable
from eval.compare import Comparison
from eval.report.headline import Headline, headline
from eval.report.run_table import RunTable, run_table
from eval.report.tables import Table, tables
from eval.runs import Run
from eval.wording import listed


def comparison_to_markdown(comparison: Comparison) -> str:
    """The whole comparison; its first table is what a paper wants."""
    found = headline(comparison)
    names = escaped(listed([group.name for group in comparison.groups]))
    parts = [f"# Comparison of {names}", markdown_table(headline_table(found)), escaped(found.note)]
    parts.append(_latex("The same for LaTeX (booktabs)", headline_table(found)))
    parts.append(bullets("Verdicts", verdicts(comparison)))
    parts += [bullets("Warnings", comparison.warnings)] if comparison.warnings else []
    parts += [
        f"## {escaped(table.title)}\n\n{markdown_table(table)}" for table in tables(comparison)
    ]
    parts += [bullets("What this cannot tell", comparison.caveats)]
    parts += [bullets("Compared", [f"{run.name}: {run.results_file}" for run in comparison.runs])]
    return "\n\n".join(parts) + "\n"


def run_to_markdown(run: Run) -> str:
    """The accuracies of one run."""
    found = run_table(run)
    table = _run_table(found)
    parts = [f"# {escaped(run.name)}"]
    if not table.rows:
        return "\n\n".join([*parts, "Not verified yet."]) + "\n"
    parts += [markdown_table(table), escaped(found.note)]
    parts += [
        _latex("The same for LaTeX (booktabs)", table),
        f"From {escaped(str(run.results_file))}",
    ]
    return "\n\n".join(parts) + "\n"


def verdicts(comparison: Comparison) -> list[str]:
    """One sentence per target and group."""
    return [
        difference.sentence if difference.folds else f"{target.name}: {difference.sentence}"
        for target in comparison.targets
        for difference in target.differences
    ]


def headline_table(found: Headline) -> Table:
    several = len(found.others) > 1
    return Table(
        "Accuracy",
        (
            "target",
            *(["group"] if several else []),
            f"{found.reference}, %",
            "group, %" if several else f"{found.others[0]}, %",
            "difference, points",
            f"{found.level} interval",
            "p",
            "verdict",
        ),
        tuple(
            (
                row.target,
                *([row.group] if several else []),
                *row.accuracies,
                row.difference,
                row.interval,
                row.p,
                row.verdict,
            )
            for row in found.rows
        ),
    )


def _run_table(found: RunTable) -> Table:
    columns = ("target", "accuracy, %", "95% interval", "pairs", *found.columns)
    return Table(
        "Accuracy",
        columns,
        tuple((r.target, r.accuracy, r.interval, r.pairs, *r.figures) for r in found.rows),
    )


def bullets(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {escaped(line)}" for line in lines)])


def markdown_table(table: Table) -> str:
    lines = [table.columns, ("---", *["---:"] * (len(table.columns) - 1)), *table.rows]
    return "\n".join("| " + " | ".join(map(escaped, line)) + " |" for line in lines)


def _latex(title: str, table: Table) -> str:
    """A tabular in a code block. A fence longer than any run of backticks in it ends it alone."""
    rows = [" & ".join(map(_tex, row)) + r" \\" for row in (table.columns, *table.rows)]
    lines = [
        r"\begin{tabular}{l" + "r" * (len(table.columns) - 1) + "}",
        r"\toprule",
        rows[0],
        r"\midrule",
        *rows[1:],
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([f"## {title}", "", "```latex", *lines, "```"])


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": "$<$", ">": "$>$", "−": "$-$", "±": r"$\pm$", "—": "---", "–": "--",
    "`": r"\textasciigrave{}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in printable(text))


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    """Text that Markdown, and the HTML made of it, shows as it stands: no tag, link, or code."""
    return re.sub(
        r"[&<>\\`*|]|\](?=[(\[:])",
        lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"),
        printable(text),
    )
