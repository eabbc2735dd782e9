"""A study as a Markdown document."""

from __future__ import annotations

from eval.report.headline import headline
from eval.report.markdown import bullets, escaped, headline_table, markdown_table
from eval.report.study_tables import (
    LAST_CHECKPOINT,
    arms_table,
    left_out,
    paper_differences,
    paragraphs,
    progress,
    secondary_tables,
)
from eval.report.tables import Table, tables
from eval.study import Study


def study_to_markdown(study: Study) -> str:
    """The whole study, without pictures."""
    parts = [f"# {escaped(study.name)}"]
    parts += [f"**{escaped(progress(study))}**"] if study.unfinished else []
    texts = (study.hypothesis, study.plan, study.paper, study.needs)
    hypothesis, plan, paper, needs = map(_text, texts)
    parts += [f"Hypothesis: {hypothesis}"] if hypothesis else []
    for comparison in study.comparisons:
        found = headline(comparison)
        if len(study.comparisons) > 1:
            parts.append(f"## Against {escaped(found.reference)}")
        parts += [markdown_table(headline_table(found)), escaped(found.note)]
    parts += [_titled(arms_table(study)), escaped(LAST_CHECKPOINT)]
    if (differences := paper_differences(study)).rows:
        parts.append(_titled(differences))
    parts += [f"The paper: {paper}"] if paper else []
    parts += [f"## Plan of the analysis\n\n{plan}"] if plan else []
    parts += [f"## Data\n\n{needs}"] if needs else []
    parts.append(bullets("Verdicts", [difference.sentence for difference in study.differences]))
    if warnings := [*study.warnings, *left_out(study)]:
        parts.append(bullets("Warnings", warnings))
    parts += [_titled(table) for table in (*secondary_tables(study), *tables(study.overall))]
    if study.caveats:
        parts.append(bullets("What this cannot tell", study.caveats))
    if study.unfinished:
        parts.append(bullets("Not run", [f"{each.name}: {each.why}" for each in study.unfinished]))
    return "\n\n".join(parts) + "\n"


def _text(written: str) -> str:
    return "\n\n".join(map(escaped, paragraphs(written)))


def _titled(table: Table) -> str:
    return f"## {escaped(table.title)}\n\n{markdown_table(table)}"
