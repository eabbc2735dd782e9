"""A study's figures beside those of the paper that it repeats."""

from __future__ import annotations

import re

from eval.compare import GroupFigure
from eval.report.tables import Table
from eval.report.values import NOTHING
from eval.secondary import LEVEL, Secondary
from eval.study import Arm, Study
from eval.wording import interval, listed, percent, points, verdict_words

LAST_CHECKPOINT = (
    "What counts of a run is its last checkpoint, never the best one, which would have been chosen "
    "on the test data."
)


def arms_table(study: Study) -> Table:
    """A row an arm: mean ± spread over its runs on each target, the paper's figure beside it."""
    columns = ["variant"]
    for target in study.targets:
        both = _in_paper(study, target)
        columns += [f"{target}, paper", f"{target}, ours"] if both else [target]
    rows = [(arm.name, *_figures(study, arm), _runs(arm)) for arm in study.arms]
    figure = study.metric.label
    title = f"{figure[0].upper()}{figure[1:]}, %" + (
        ", the paper's and ours" if _any_paper(study) else ""
    )
    return Table(title, (*columns, "runs"), tuple(rows))


def secondary_tables(study: Study) -> list[Table]:
    """A table for each secondary figure and target: a row an arm, then its differences."""
    return [_secondary_table(study, each) for each in study.secondary if _known(each)]


def paper_differences(study: Study) -> Table:
    """The paper's differences beside ours; no rows where the paper has none."""
    paper = {arm.name: arm.paper for arm in study.arms}
    rows = [
        (
            d.target,
            d.name,
            d.reference,
            points(paper[d.name][d.target] - paper[d.reference][d.target]),
            points(d.verdict.mean) if d.verdict else NOTHING,
            interval(d.verdict.interval) if d.verdict else NOTHING,
            verdict_words(d),
        )
        for d in study.differences
        if d.target in paper[d.name] and d.target in paper[d.reference]
    ]
    columns = ("target", "variant", "against", "paper", "ours", "our interval", "verdict")
    return Table("The paper's differences and ours, points", columns, tuple(rows))


def paragraphs(text: str) -> list[str]:
    """A text of the user's: an empty line ends a paragraph, other line ends are spaces."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def progress(study: Study) -> str:
    """What is missing, in one sentence; empty for a whole study."""
    if not study.unfinished:
        return ""
    planned = sum(len(arm.seeds) for arm in study.arms)
    done = planned - len(study.unfinished)
    return (
        f"This study is incomplete: {done} of {planned} runs are finished, and all figures below "
        "are from them alone."
    )


def left_out(study: Study) -> list[str]:
    """Seeds that only one arm of a comparison has finished; secondary figures that no run has."""
    seeds = {arm.name: {run.seed for run in arm.group.runs} for arm in study.arms}
    found = []
    for d in dict.fromkeys((d.reference, d.name) for d in study.differences):
        first, second = (seeds[name] for name in d)
        if first and second and first != second and first & second:
            only = listed(sorted(map(str, first ^ second)))
            found.append(f"{d[1]} against {d[0]}: leaves out seed {only}, which one of them lacks.")
    if any(seeds.values()):
        found += [
            f"No run has the {each.metric.label} on {each.target}; a low rate needs many pairs."
            for each in study.secondary
            if not _known(each)
        ]
    return found


def _known(found: Secondary) -> bool:
    return any(figure is not None for figure in found.figures.values())


def _secondary_table(study: Study, found: Secondary) -> Table:
    rows = []
    for arm in study.arms:
        mine = [d for d in found.differences if d.name == arm.name and d.test is not None]
        first = (arm.name, _figure(found.figures[arm.name]))
        if not mine:
            rows.append((*first, NOTHING, NOTHING, NOTHING))
        for d in mine:
            assert d.test is not None
            bounds = interval(d.test.interval_at(LEVEL))
            rows.append((*first, d.reference, points(d.test.mean), bounds))
    title = f"{found.metric.label} on {found.target}, %: reported without verdicts"
    columns = ("variant", "mean ± spread", "against", "difference", "its 95% interval")
    return Table(title, columns, tuple(rows))


def _figures(study: Study, arm: Arm) -> list[str]:
    cells = []
    for target in study.targets:
        if _in_paper(study, target):
            cells.append(percent(arm.paper[target]) if target in arm.paper else NOTHING)
        cells.append(_figure(arm.figure(target, study.metric)))
    return cells


def _figure(figure: GroupFigure | None) -> str:
    if figure is None:
        return NOTHING
    return percent(figure.mean) + ("" if figure.std is None else f" ± {percent(figure.std)}")


def _runs(arm: Arm) -> str:
    return f"{len(arm.group.runs)} of {len(arm.seeds)}"


def _in_paper(study: Study, target: str) -> bool:
    return any(target in arm.paper for arm in study.arms)


def _any_paper(study: Study) -> bool:
    return any(arm.paper for arm in study.arms)
