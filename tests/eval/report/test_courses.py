"""Figures over the steps: thin lines of runs, thick ones of their means; of many groups these."""

from __future__ import annotations

from eval.compare import compare
from eval.report.courses import course, kinds_of_line
from eval.series import Series


def drawn(groups, dots=False):
    """Each run has the seed's course: 1 + step over steps 1 … 3, more for later seeds."""

    def series(run):
        steps = tuple(range(1, 4 + run.seed))
        return Series(steps, tuple(float(step + 6 * run.seed) for step in steps))

    return course(groups, "t", "y", series, "gone", dots=dots)[0].lines


def of(seeded_run, names):
    return compare(
        groups={
            name: [seeded_run(f"{name}{i}", i, {"lfw": (3, i + 1)}, pairs=40) for i in range(2)]
            for name in names
        }
    ).groups


def test_the_runs_of_a_group_have_their_mean(seeded_run):
    groups = of(seeded_run, "ab")
    lines = drawn(groups)
    assert [(line.name, line.faint) for line in lines] == [
        ("a", True), ("a", True), ("a", False), ("b", True), ("b", True), ("b", False),
    ]  # fmt: skip
    mean = lines[2]
    assert (list(mean.x), list(mean.y)) == ([1, 2, 3], [4.0, 5.0, 6.0])  # 1 and 7, 2 and 8 …
    assert "thick lines their mean" in kinds_of_line(groups)
    assert [line.faint for line in drawn(groups, dots=True)] == [True] * 4


def test_of_many_groups_the_means_are_drawn_alone(seeded_run):
    groups = of(seeded_run, "abcdefgh")
    for dots in (False, True):
        lines = drawn(groups, dots)
        assert [(line.name, line.faint, line.dots) for line in lines] == [
            (name, False, dots) for name in "abcdefgh"
        ]
        assert list(lines[0].y) == [4.0, 5.0, 6.0]
    assert kinds_of_line(groups) == "Lines are means over the runs of a group."


def test_a_run_without_the_figure_is_named(seeded_run):
    groups = of(seeded_run, "ab")[:1]
    found = Series((1,), (2.0,))
    chart, remarks = course(groups, "t", "y", lambda run: found if run.seed else None, "no file")
    assert [line.y for line in chart.lines] == [[2.0]]
    assert remarks == ["t: nothing from a0 (no file)."]
