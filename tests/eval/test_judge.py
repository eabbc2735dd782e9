"""Which test judges, what it says, and where none may."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from data_prep.errors import UserError
from eval.compare import compare
from eval.report import write as report
from eval.statistics import (
    mcnemar_exact,
)


def test_a_clear_difference_is_shown_with_its_figures(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    difference = comparison.targets[0].differences[0]
    expected = np.mean(np.array(BETTER) - ARCFACE) / 600
    assert difference.shown
    assert difference.folds.mean == pytest.approx(expected)
    assert difference.sentence.startswith("b is better than a by 0.68 ± 0.10 points on lfw, p")
    assert (
        compare([b, a]).targets[0].differences[0].sentence.startswith("a is worse than b by 0.68")
    )
    assert comparison.warnings == ()
    assert any("seed" in caveat for caveat in comparison.caveats)
    assert {row.key: row.values for row in comparison.config_differences} == {
        "run.name": ('"arcface"', '"plus"'),
        "regularizer.name": ('"none"', '"mma"'),
        "regularizer.weight": ("0.0", "0.03"),
    }


def test_noise_is_called_no_difference(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(ARCFACE[::-1])}, config=PLUS)
    difference = compare([a, b]).targets[0].differences[0]
    assert not difference.shown
    assert difference.sentence.startswith(
        "no difference could be shown between b and a on lfw: +0.00"
    )


def test_two_different_but_equal_results_give_p_one(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(ARCFACE)}, config=PLUS)
    difference = compare([a, b]).targets[0].differences[0]
    assert difference.folds.p == 1.0
    assert "no difference could be shown" in difference.sentence


def test_other_pairs_are_never_paired(make_run):
    a = make_run("a", {"lfw": target(ARCFACE), "x": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER, 601), "x": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    assert comparison.targets[0].differences[0].folds is None
    assert any("lfw: not compared: other pairs (a: 6000 pairs" in w for w in comparison.warnings)
    with pytest.raises(UserError, match=r"nothing to compare: lfw: not compared: other pairs"):
        compare([a, make_run("c", {"lfw": target(BETTER[:9])}, config=PLUS)])


@pytest.mark.parametrize("key", ["same", "images", "unique_images"])
def test_equally_many_but_other_pairs_are_never_paired(make_run, key):
    other = target(BETTER)
    other[key] -= 1
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    with pytest.raises(UserError, match="nothing to compare: lfw: not compared: other pairs"):
        compare([a, make_run("b", {"lfw": other}, config=PLUS)])


def test_recipes_are_judged_by_welchs_t_over_seeds(groups):
    comparison = compare(groups=groups)
    lfw, cfp = (target.differences[0] for target in comparison.targets)
    x, y = (
        [r.accuracy.mean for r in comparison.targets[0].results[part]]
        for part in (slice(0, 4), slice(4, 8))
    )
    expected = stats.ttest_ind(y, x, equal_var=False)
    assert (lfw.verdict.unit, lfw.verdict.p) == ("seeds", pytest.approx(expected.pvalue))
    assert lfw.verdict.p_holm == pytest.approx(2 * lfw.verdict.p)
    assert lfw.shown
    assert not cfp.shown
    assert lfw.mcnemar is None  # several networks make no one decision a pair
    assert lfw.by_seed.p == pytest.approx(stats.ttest_rel(y, x).pvalue)
    assert lfw.sentence.startswith(f"plus is better than arcface by {100 * lfw.verdict.mean:.2f} ±")
    assert lfw.sentence.endswith("(4 and 4 seeds, Welch's t)")
    assert cfp.sentence.startswith("no difference could be shown between plus and arcface on cfp")
    assert f"4 and 4 seeds resolve {100 * cfp.resolves:.2f} points at best" in cfp.sentence
    assert comparison.warnings == ()


def test_the_bootstrap_is_of_the_mean_over_seeds(groups):
    difference = compare(groups=groups).targets[0].differences[0]
    low, high = difference.bootstrap.interval
    assert difference.bootstrap.mean == pytest.approx(difference.verdict.mean, abs=1e-12)
    assert low < difference.bootstrap.mean < high


def test_the_seeds_needed_are_told_for_the_difference_asked_about(groups):
    small, large = (
        compare(groups=groups, resolve=r).targets[0].differences[0].needed for r in (0.001, 0.01)
    )
    assert (small.difference, large.difference) == (0.001, 0.01)
    assert small.seeds > large.seeds >= 2
    assert small.interval[0] <= small.seeds <= small.interval[1]
    with pytest.raises(UserError, match="difference to resolve"):
        compare(groups=groups, resolve=0)


def test_one_run_each_is_judged_by_mcnemar(groups):
    a, b = groups["arcface"][0], groups["plus"][0]
    comparison = compare([a, b])
    difference = comparison.targets[0].differences[0]
    first, second = (run.scores["lfw"].decisions() for run in comparison.runs)
    expected = mcnemar_exact(first, second)
    assert difference.mcnemar == expected
    assert (difference.verdict.unit, difference.verdict.p) == ("pairs", expected.p)
    assert difference.verdict.interval == difference.bootstrap.interval
    assert difference.seeds is None
    assert "these two networks, McNemar's exact test" in difference.sentence


def test_a_single_run_against_seeds_is_reported_and_not_judged(groups):
    comparison = compare([groups["arcface"][0]], {"plus": groups["plus"]})
    difference = comparison.targets[0].differences[0]
    assert (difference.verdict, difference.shown) == (None, False)
    assert difference.folds is not None
    assert "arcface_0 is one run, so its spread from seed to seed is unknown" in difference.sentence
    assert difference.sentence in comparison.warnings
    assert sum("not judged" in verdict for verdict in report.verdicts(comparison)) == 2


def test_copies_of_one_run_are_no_seeds(seeded_run):
    groups = {
        name: [seeded_run(f"{name}_{i}", 7, {"lfw": (3, noise)}) for i in range(3)]
        for noise, name in enumerate(("a", "b"))
    }
    comparison = compare(groups=groups)
    difference = comparison.targets[0].differences[0]
    assert difference.verdict is None
    assert "are they copies of one run?" in difference.sentence
    assert any("a: seed 7 is there more than once" in warning for warning in comparison.warnings)


def test_other_images_of_equal_number_are_not_compared(groups, seeded_run):
    other = seeded_run("other", 0, {"lfw": (3, 5), "cfp_fp": (3, 6)}, digest="1" * 64)
    with pytest.raises(UserError, match="arcface_0 and other verified other images or truths"):
        compare([groups["arcface"][0], other])


def test_without_scores_the_folds_judge(groups):
    a, b = groups["arcface"][0], groups["plus"][0]
    (a / "eval" / "step_00000100.npz").unlink()
    difference = compare([a, b]).targets[0].differences[0]
    assert difference.verdict.unit == "folds"
    assert (difference.mcnemar, difference.bootstrap) == (None, None)
