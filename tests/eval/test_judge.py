"""Which test judges, what it says, and where none may."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from data_prep.errors import DataError, UserError
from eval.compare import compare
from eval.conditions import SINGLE_RUNS_WARNING
from eval.difference import Difference
from eval.judge import with_verdicts
from eval.report.markdown import verdicts
from eval.score_test import paired_shares
from eval.statistics import mcnemar_exact
from eval.t_tests import paired_difference, welch
from eval.wording import verdict_words


def test_a_clear_difference_is_shown_with_its_figures(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    difference = comparison.targets[0].differences[0]
    expected = np.mean(np.array(BETTER) - ARCFACE) / 600
    assert difference.shown
    assert difference.folds.mean == pytest.approx(expected)
    told = "on lfw: +0.68 points (95% interval +0.58 to +0.79), p < 0.001 (paired t over folds"
    assert difference.sentence.startswith(f"b is better than a {told}")
    back = compare([b, a]).targets[0].differences[0]
    assert back.sentence.startswith("a is worse than b on lfw: −0.68 points (95% interval −0.79")
    assert comparison.warnings == (SINGLE_RUNS_WARNING,)
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
    assert compare([a, b]).warnings == ()
    assert difference.sentence.startswith(
        "no difference could be shown between b and a on lfw: 0.00 points"
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
    assert any(
        "lfw: not compared: different pairs (a: 6000 pairs" in w for w in comparison.warnings
    )
    with pytest.raises(
        UserError, match=r"cannot be compared on any target: lfw: not compared: different pairs"
    ):
        compare([a, make_run("c", {"lfw": target(BETTER[:9])}, config=PLUS)])


@pytest.mark.parametrize("key", ["same", "images", "unique_images"])
def test_equally_many_but_other_pairs_are_never_paired(make_run, key):
    other = target(BETTER)
    other[key] -= 1
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    with pytest.raises(
        UserError, match="cannot be compared on any target: lfw: not compared: different pairs"
    ):
        compare([a, make_run("b", {"lfw": other}, config=PLUS)])


def accuracies_of(comparison, index):
    """The accuracies of the reference's and of the group's four runs on a target."""
    results = comparison.targets[index].results
    return [[r.accuracy.mean for r in results[part]] for part in (slice(0, 4), slice(4, 8))]


def test_groups_with_the_same_seeds_are_judged_by_the_paired_t(groups):
    comparison = compare(groups=groups)
    lfw, cfp = (target.differences[0] for target in comparison.targets)
    x, y = accuracies_of(comparison, 0)
    expected = stats.ttest_rel(y, x)
    assert (lfw.design, lfw.verdict.unit, lfw.verdict.test) == (
        "same seeds", "seeds", "paired t by seed",
    )  # fmt: skip
    assert lfw.verdict.p == pytest.approx(expected.pvalue)
    assert lfw.verdict.mean == pytest.approx(np.mean(y) - np.mean(x))
    assert lfw.verdict.p_holm == pytest.approx(2 * lfw.verdict.p)
    # One of two verdicts is not shown, so Holm's last bound is 5%.
    assert lfw.verdict.level == cfp.verdict.level == 0.95
    assert lfw.verdict.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (lfw.shown, cfp.shown) == (True, False)
    assert lfw.mcnemar is None  # several networks make no one decision a pair
    assert lfw.seeds.p == pytest.approx(stats.ttest_ind(y, x, equal_var=False).pvalue)
    assert lfw.sentence.startswith("plus is better than arcface on lfw: +")
    assert comparison.warnings == ()


def test_groups_with_other_seeds_are_judged_by_welchs_t(groups, seeded_run):
    other = seeded_run("plus_9", 9, {"lfw": (3.6, 99), "cfp_fp": (2.5, 98)},
                       regularizer={"name": "mma", "weight": 0.03})  # fmt: skip
    comparison = compare(groups={**groups, "plus": [*groups["plus"][:3], other]})
    lfw = comparison.targets[0].differences[0]
    x, y = accuracies_of(comparison, 0)
    assert (lfw.design, lfw.verdict.test) == ("other seeds", "Welch's t over seeds")
    expected = stats.ttest_ind(y, x, equal_var=False)
    assert lfw.verdict.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(lfw.verdict.level)
    assert lfw.verdict.interval == pytest.approx(tuple(interval))
    assert lfw.by_seed is None


def test_the_order_of_the_seeds_does_not_matter(groups):
    turned = {**groups, "plus": groups["plus"][::-1]}
    first, second = (compare(groups=g).targets[0].differences[0] for g in (groups, turned))
    assert first.verdict.p == pytest.approx(second.verdict.p)


def simulated(rng, size):
    """A difference with tests from made-up figures, of any design."""
    design = rng.choice(["same seeds", "other seeds", "pairs", "folds"])
    x = rng.normal(0.95, 0.003, size)
    y = x + rng.normal(rng.normal(0, 0.004), 0.002, size)
    pairs = rng.random((2, 400)) < rng.uniform(0.85, 0.99, (2, 1))
    return Difference(
        "a", "b", "t", design=str(design), seeds=welch(x, y), by_seed=paired_difference(x, y),
        folds=paired_difference(x, y), score=paired_shares(*pairs), pairs=400,
    )  # fmt: skip


def test_difference_interval_p_and_verdict_never_disagree():
    rng = np.random.default_rng(4)
    shown = every = 0
    for _ in range(300):
        several = [simulated(rng, int(rng.integers(2, 8))) for _ in range(rng.integers(1, 6))]
        for found in with_verdicts(several, 0.001):
            verdict, (low, high) = found.verdict, found.verdict.interval
            assert low <= verdict.mean <= high
            assert (low > 0 or high < 0) == (verdict.p_holm < 0.05) == found.shown
            assert (verdict.p < 1 - verdict.level) == found.shown
            assert verdict.level >= 0.95
            better = verdict_words(found) in ("a better", "b better")
            assert better == found.shown
            if found.design in ("same seeds", "pairs") and not found.shown:
                # Found in 80% of the cases, and at the interval's half width in 50%.
                assert found.resolves >= (high - low) / 2
            assert better == ("is better than" in found.sentence or "is worse" in found.sentence)
            shown, every = shown + found.shown, every + 1
    assert 0.2 < shown / every < 0.8


def test_the_test_depends_on_the_design_and_not_on_what_the_tests_say(groups, seeded_run):
    """Two equal recipes and two that are worlds apart are judged by one test."""
    far = [
        seeded_run(f"far_{seed}", seed, {"lfw": (5, 500 + seed), "cfp_fp": (2.5, 600 + seed)})
        for seed in range(4)
    ]
    near, apart = (
        compare(groups={"arcface": groups["arcface"], "x": runs}).targets[0].differences[0]
        for runs in (groups["plus"], far)
    )
    assert near.verdict.test == apart.verdict.test == "paired t by seed"


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


def test_one_run_each_is_judged_by_the_score_test(groups):
    a, b = groups["arcface"][0], groups["plus"][0]
    comparison = compare([a, b])
    difference = comparison.targets[0].differences[0]
    decisions = [run.scores["lfw"].decisions() for run in comparison.runs]
    expected = paired_shares(*decisions)
    assert (difference.score, difference.mcnemar) == (expected, mcnemar_exact(*decisions))
    assert (difference.verdict.unit, difference.verdict.p) == ("pairs", expected.p)
    assert difference.verdict.interval == expected.interval_at(difference.verdict.level)
    assert difference.verdict.mean == expected.mean
    assert difference.seeds is None
    assert "McNemar's score test, these two networks on 2000 pairs" in difference.sentence


def test_a_single_run_against_seeds_is_reported_and_not_judged(groups):
    comparison = compare([groups["arcface"][0]], {"plus": groups["plus"]})
    difference = comparison.targets[0].differences[0]
    assert (difference.verdict, difference.shown) == (None, False)
    assert difference.folds is not None
    assert "arcface_0 is one run, so its spread from seed to seed is unknown" in difference.sentence
    assert difference.sentence in comparison.warnings
    assert difference.words == "too few seeds"
    assert sum("not judged" in verdict for verdict in verdicts(comparison)) == 2


def test_copies_of_one_run_are_no_seeds(seeded_run):
    groups = {
        name: [seeded_run(f"{name}_{i}", 7, {"lfw": (3, noise)}) for i in range(3)]
        for noise, name in enumerate(("a", "b"))
    }
    comparison = compare(groups=groups)
    difference = comparison.targets[0].differences[0]
    assert difference.verdict is None
    assert "the runs may be copies, or all at 0% or 100%" in difference.sentence
    assert any("a: seed 7 occurs more than once" in warning for warning in comparison.warnings)


def test_one_difference_for_all_seeds_is_no_spread(make_run):
    """The paired t would give p = 0 from three seeds that differ by one and the same figure."""
    groups = {
        name: [
            make_run(f"{name}{seed}", {"lfw": target([folds - seed for folds in counts])},
                     config=BASE | {"run": {"name": name, "seed": seed}})
            for seed in range(3)
        ]
        for name, counts in (("a", ARCFACE), ("b", [count + 2 for count in ARCFACE]))
    }  # fmt: skip
    difference = compare(groups=groups).targets[0].differences[0]
    assert (difference.verdict, difference.words) == (None, "no spread")
    assert "the difference is the same for every seed" in difference.sentence


def test_other_images_of_equal_number_are_not_compared(groups, seeded_run):
    other = seeded_run("other", 0, {"lfw": (3, 5), "cfp_fp": (3, 6)}, digest="1" * 64)
    with pytest.raises(UserError, match="images or labels of arcface_0 and other differ"):
        compare([groups["arcface"][0], other])


def test_without_scores_the_folds_judge(groups):
    a, b = groups["arcface"][0], groups["plus"][0]
    (a / "eval" / "step_00000100.npz").unlink()
    difference = compare([a, b]).targets[0].differences[0]
    assert difference.verdict.unit == "folds"
    assert (difference.mcnemar, difference.bootstrap) == (None, None)


def test_who_was_trained_on_the_target_is_not_crowned(groups):
    """An accuracy on images that the network has seen says nothing about strangers."""
    (groups["plus"][1] / "environment.json").write_text('{"shared_images": {"lfw": 12}}')
    (groups["plus"][2] / "environment.json").write_text('{"shared_images": {"lfw": 0}}')
    found = compare(groups={"arcface": groups["arcface"], "plus": groups["plus"]})
    lfw, cfp = (target.differences[0] for target in found.targets)
    assert (lfw.verdict, lfw.words, lfw.shown) == (None, "trained on it", False)
    assert lfw.sentence.endswith("lfw: 12 of its images are in the training set of plus_1")
    assert cfp.verdict is not None
    assert any("plus_1" in line for line in verdicts(found))


def test_a_broken_count_of_shared_images_is_named(groups):
    file = groups["plus"][1] / "environment.json"
    for broken in ('{"shared_images": 3}', '{"shared_images": {"lfw": "many"}}'):
        file.write_text(broken)
        with pytest.raises(DataError, match=r"environment\.json: shared_images: expected a whole"):
            compare(groups={"arcface": groups["arcface"], "plus": groups["plus"]})
