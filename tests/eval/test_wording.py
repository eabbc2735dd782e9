"""How figures and verdicts are written."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.wording import interval, level, listed, p_phrase, p_value, points, verdict_words


@pytest.mark.parametrize(
    ("share", "text"), [(0.0123, "+1.23"), (-0.0005, "−0.05"), (0.0, "0.00"), (-1e-6, "0.00")]
)
def test_points_have_their_sign(share, text):
    assert points(share) == text


def test_levels_and_p_values_are_short():
    assert [level(x) for x in (0.95, 0.975, 1 - 0.05 / 3)] == ["95%", "97.5%", "98.3%"]
    assert [p_value(p) for p in (0.0004, 0.0412, 1.0)] == ["< 0.001", "0.041", "1.000"]
    assert [p_phrase(p) for p in (0.0004, 0.0412)] == ["p < 0.001", "p = 0.041"]
    assert interval((-0.01, 0.02)) == "−1.00 to +2.00"


def test_verdicts_name_the_better_one(make_run):
    a = make_run("a", {"lfw": target(ARCFACE), "x": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER), "x": target(ARCFACE[::-1])}, config=PLUS)
    forth, back = (
        [verdict_words(t.differences[0]) for t in compare(runs).targets]
        for runs in ([a, b], [b, a])
    )
    assert forth == back == ["b better", "no difference shown"]


def test_a_sentence_has_all_figures_of_its_one_test(groups):
    lfw, cfp = (t.differences[0] for t in compare(groups=groups).targets)
    verdict = lfw.verdict
    assert lfw.sentence == (
        f"plus is better than arcface on lfw: {points(verdict.mean)} points "
        f"({level(verdict.level)} interval {interval(verdict.interval)}), "
        f"{p_phrase(verdict.p_holm)} after Holm's correction "
        "(paired t by seed, the same 4 seeds of each)"
    )
    assert cfp.sentence.startswith("no difference could be shown between plus and arcface on cfp")
    told = f"; the smallest difference that could be shown is {100 * cfp.resolves:.2f} points"
    assert cfp.sentence.endswith(told)


def test_a_name_with_braces_is_a_name(seeded_run):
    runs = [seeded_run("{0}{x", 0, {"lfw": (3, 1)}), seeded_run("b", 0, {"lfw": (3, 2)})]
    (difference,) = compare(runs).targets[0].differences
    assert "between b and {0}{x on lfw" in difference.sentence


def test_names_are_listed_as_in_a_sentence():
    assert [listed(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
