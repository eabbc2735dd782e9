"""What a report says first: a row a target, with difference, interval, p-value and verdict.

All of a row comes from one test, the one the design of the comparison asks for. Terminal, Markdown,
LaTeX and the page draw the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.compare import Comparison
from eval.difference import Difference
from eval.report.intervals import Axis, Bar, axis, bar, differences_scale
from eval.wording import interval, level, p_value, percent, points, verdict_words

NOTHING = "—"


@dataclass(frozen=True)
class Row:
    """One target and group against the reference.

    Attributes:
        target, group: where, and who is compared with the reference.
        accuracies: of the reference and of the group, in % with the spread over runs.
        difference, interval, p, verdict: text; NOTHING where nothing is judged.
        bar: the interval as a picture.
        number: the colour of the group.
        colour: of who the verdict is for: the better group's; None for no difference.
    """

    target: str
    group: str
    accuracies: tuple[str, str]
    difference: str
    interval: str
    p: str
    verdict: str
    bar: Bar | None
    number: int
    colour: int | None


@dataclass(frozen=True)
class Headline:
    """The table; `figure` is what is compared, `colour` the reference's, `axis` that of all bars.

    `level` is that of the intervals, as text; `tests` the tests that gave the verdicts; `judged`
    how many verdicts were corrected together;
    `resolved` a sentence on what could have been shown where nothing was, or nothing.
    """

    reference: str
    figure: str
    colour: int
    others: tuple[str, ...]
    rows: tuple[Row, ...]
    axis: Axis | None
    level: str
    tests: tuple[str, ...]
    judged: int
    resolved: str

    @property
    def note(self) -> str:
        """How the figures came about, in two sentences."""
        if not self.judged:
            return "Nothing could be judged; see the warnings."
        test = f"Test: {' or '.join(self.tests)}."
        if self.judged == 1:
            return (
                f"{test} A difference is shown where p < 0.05, which is exactly where the "
                f"{self.level} interval leaves out zero."
            )
        return (
            f"{test} p is corrected for {self.judged} verdicts (Holm); the {self.level} intervals "
            "leave out zero exactly where p < 0.05."
        )


def headline(comparison: Comparison, colours: Mapping[str, int] | None = None) -> Headline:
    """The rows, in the order of the targets.

    `colours`: the number of each group on the page; by default their order in the comparison.
    """
    if colours is None:
        colours = {group.name: number for number, group in enumerate(comparison.groups)}
    zero = colours[comparison.groups[0].name]
    every = [d for target in comparison.targets for d in target.differences]
    verdicts = [d.verdict for d in every if d.verdict is not None]
    scale = None
    if verdicts:
        scale = differences_scale([b for v in verdicts for b in (*v.interval, v.mean)])
    rows = []
    for target in comparison.targets:
        reference, *others = (
            NOTHING
            if f is None
            else percent(f.mean) + (f" ± {percent(f.std)}" if f.std is not None else "")
            for f in target.accuracies
        )
        for d, accuracy in zip(target.differences, others, strict=True):
            number = colours[d.name]
            drawn = None
            if d.verdict is not None and scale is not None:
                drawn = bar(scale, d.verdict.interval, d.verdict.mean, number, d.shown)
            rows.append(_row(d, (reference, accuracy), drawn, number, zero))
    reference_name, *names = (group.name for group in comparison.groups)
    return Headline(
        reference=reference_name,
        figure=comparison.metric.label,
        colour=zero,
        others=tuple(names),
        rows=tuple(rows),
        axis=None if scale is None else axis(scale, about_zero=True),
        level=level(verdicts[0].level) if verdicts else "95%",
        tests=tuple(dict.fromkeys(verdict.test for verdict in verdicts)),
        judged=verdicts[0].of if verdicts else 0,
        resolved=_resolved(every, several=len(names) > 1),
    )


def _resolved(differences: Sequence[Difference], several: bool) -> str:
    """What could have been shown, where it was not."""
    parts = [
        f"{f'{d.name} on ' if several else ''}{d.target} {percent(d.resolves)}"
        for d in differences
        if d.resolves and not d.shown
    ]
    what = "Smallest difference that could be shown, in points"
    return f"{what}: {', '.join(parts)}." if parts else ""


def _row(
    d: Difference, accuracies: tuple[str, str], drawn: Bar | None, number: int, reference: int
) -> Row:
    verdict = d.verdict
    if verdict is None:
        figures = (NOTHING, NOTHING, NOTHING)
    else:
        figures = (points(verdict.mean), interval(verdict.interval), p_value(verdict.p_holm))
    colour = None
    if d.shown and verdict is not None:
        colour = number if d.favours_group else reference
    words = verdict_words(d)
    return Row(d.target, d.name, accuracies, *figures, words, drawn, number, colour)
