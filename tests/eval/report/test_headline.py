"""The first table: everything of a row comes from the one judged test."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.report.headline import NOTHING, headline
from eval.wording import NO_DIFFERENCE, interval, p_value, points


def test_rows_repeat_the_verdicts(groups):
    comparison = compare(groups=groups)
    found = headline(comparison)
    for row, compared in zip(found.rows, comparison.targets, strict=True):
        difference = compared.differences[0]
        verdict = difference.verdict
        assert row.target == compared.name
        assert row.difference == points(verdict.mean)
        assert row.interval == interval(verdict.interval)
        assert row.p == p_value(verdict.p_holm)
        assert (row.bar.low > found.axis.zero) == (verdict.interval[0] > 0)
        assert row.bar.shown == difference.shown
    assert [row.verdict for row in found.rows] == ["plus better", NO_DIFFERENCE]
    assert [row.colour for row in found.rows] == [1, None]
    assert found.tests == ("paired t by seed",)
    assert "corrected for 2 verdicts" in found.note
    assert found.resolved == (
        "Smallest difference that could be shown, in points: "
        f"cfp_fp {100 * comparison.targets[1].differences[0].resolves:.2f}."
    )


def test_the_colour_of_a_verdict_is_that_of_the_better_one(make_run):
    a = make_run("a", {"lfw": target(BETTER)}, config=BASE)
    b = make_run("b", {"lfw": target(ARCFACE)}, config=PLUS)
    (row,) = headline(compare([a, b])).rows
    assert (row.verdict, row.colour) == ("a better", 0)
    assert row.accuracies == ("96.22", "95.53")
    assert "exactly where the 95% interval leaves out zero" in headline(compare([a, b])).note


def test_what_is_not_judged_has_no_figures(seeded_run):
    single = seeded_run("a", 0, {"lfw": (3, 1)})
    group = [seeded_run(f"b{i}", i, {"lfw": (3, i + 2)}) for i in range(2)]
    found = headline(compare([single], {"b": group}))
    (row,) = found.rows
    assert (row.difference, row.interval, row.p, row.bar) == (NOTHING, NOTHING, NOTHING, None)
    assert (row.verdict, row.number, row.colour) == ("too few seeds", 1, None)
    assert found.axis is None
    assert found.note.startswith("Nothing could be judged")


def test_accuracies_of_groups_have_their_spread(groups):
    comparison = compare(groups=groups)
    figure = comparison.targets[0].accuracies[0]
    expected = f"{100 * figure.mean:.2f} ± {100 * figure.std:.2f}"
    assert headline(comparison).rows[0].accuracies[0] == expected
    assert figure.std == pytest.approx(0.005, abs=0.005)
