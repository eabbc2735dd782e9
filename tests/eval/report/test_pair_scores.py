"""ROC and score histograms: from the pairs' distances, on common axes, a colour a group."""

from __future__ import annotations

import numpy as np
import pytest

from eval.compare import compare
from eval.report.pair_scores import score_sections

TARGETS = ["lfw", "cfp_fp"]


@pytest.fixture
def groups(seeded_run):
    return compare(
        [
            seeded_run(name, 0, {"lfw": (3, i + 1), "cfp_fp": (2, i + 3)}, pairs=200)
            for i, name in enumerate("ab")
        ]
    ).groups


def test_the_roc_ends_at_one_and_one(groups):
    roc = score_sections(groups, TARGETS)[0].charts[0]
    for line in roc.lines:
        assert (line.x[-1], line.y[-1]) == (1.0, 100.0)
        assert all(np.diff(line.x) >= 0)
        assert all(np.diff(line.y) >= 0)
    assert roc.unsure == 10 / 100


def test_histograms_hold_every_pair_once_on_common_axes(groups):
    scores = score_sections(groups, TARGETS)[1]
    assert [[chart.title for chart in stack] for stack in scores.stacks] == [
        ["Scores on lfw: a", "Scores on lfw: b"], ["Scores on cfp_fp: a", "Scores on cfp_fp: b"],
    ]  # fmt: skip
    for chart in scores.charts:
        assert [sum(line.y[::2]) for line in chart.lines] == pytest.approx([100, 100])
        assert (chart.x_range, chart.y_range) == (
            scores.charts[0].x_range,
            scores.charts[0].y_range,
        )
        assert max(value for line in chart.lines for value in line.y) <= chart.y_range[1]


def test_a_colour_is_a_group_and_a_kind_is_a_style(groups):
    for stack in score_sections(groups, TARGETS)[1].stacks:
        for number, chart in enumerate(stack):
            assert [(line.colour, line.dashed, line.area) for line in chart.lines] == [
                (number, True, False), (number, False, True),
            ]  # fmt: skip


def test_thresholds_are_drawn_as_cosines(groups):
    chart = score_sections(groups, TARGETS)[1].charts[0]
    used = groups[0].runs[0].results.targets["lfw"].accuracy.thresholds
    assert chart.rules == pytest.approx(sorted({1 - t / 2 for t in used}))


def test_runs_without_distances_are_named(make_run):
    from verification_files import ARCFACE, BASE, target

    runs = [make_run(name, {"lfw": target(ARCFACE)}, config=BASE) for name in "ab"]
    roc, scores = score_sections(compare(runs).groups, ["lfw"])
    assert (roc.charts, scores.charts) == ((), ())
    assert roc.remarks[0].startswith("ROC on lfw: nothing from a, b (the pairs' distances")
    assert scores.remarks[0].startswith("Scores on lfw: nothing from a, b")
