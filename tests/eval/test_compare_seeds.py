"""Groups of runs by seed, and what the pairs' distances add to a comparison."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from data_prep.errors import DataError, UserError
from eval.compare import compare
from eval.report import write as report
from eval.statistics import mcnemar_exact

PLUS = {"regularizer": {"name": "mma", "weight": 0.03}}


@pytest.fixture
def groups(seeded_run):
    """Two recipes, four seeds each: on lfw clearly apart, on cfp_fp equal."""
    found = {"arcface": [], "plus": []}
    for seed in range(4):
        for i, (name, config) in enumerate({"arcface": {}, "plus": PLUS}.items()):
            noise = 100 * i + seed + 1
            targets = {"lfw": (3 + 0.4 * i, noise), "cfp_fp": (2.5, 1000 + noise)}
            found[name].append(seeded_run(f"{name}_{seed}", seed, targets, **config))
    return found


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


def test_a_run_is_in_one_group_once(groups):
    everything = [*groups["arcface"], *groups["plus"]]
    with pytest.raises(UserError, match="plus_0: is in groups arcface and plus"):
        compare(groups={"arcface": everything, "plus": groups["plus"]})
    twice = [groups["plus"][0], *groups["plus"]]
    with pytest.raises(UserError, match="plus_0: is in group plus twice"):
        compare(groups={"arcface": groups["arcface"], "plus": twice})
    with pytest.raises(UserError, match="at least two runs or groups"):
        compare(groups={"arcface": groups["arcface"]})
    with pytest.raises(UserError, match="group a: has no runs"):
        compare(groups={"a": [], "plus": groups["plus"]})
    with pytest.raises(UserError, match="group plus_0: a run has that name"):
        compare([groups["plus"][0]], {"plus_0": groups["arcface"]})


def test_a_recipe_that_varies_within_its_group_is_warned_of(groups, seeded_run):
    odd = seeded_run("odd", 9, {"lfw": (3, 9), "cfp_fp": (3, 8)}, optimizer={"lr": 0.2})
    comparison = compare(groups={**groups, "arcface": [*groups["arcface"], odd]})
    text = "\n".join(comparison.warnings)
    assert "arcface: its runs differ in more than the seed" in text
    assert "differ in more than the regulariser" in text
    assert text.count("optimizer.lr") == 2


def test_other_images_of_equal_number_are_not_compared(groups, seeded_run):
    other = seeded_run("other", 0, {"lfw": (3, 5), "cfp_fp": (3, 6)}, digest="1" * 64)
    with pytest.raises(UserError, match="arcface_0 and other verified other images or truths"):
        compare([groups["arcface"][0], other])


def test_scores_of_another_verification_are_refused(groups):
    a, b = groups["arcface"][:2]
    name = "eval/step_00000100.npz"
    (a / name).write_bytes((b / name).read_bytes())
    with pytest.raises(DataError, match=r"\.npz: lfw: these are not the scores of step_00000100"):
        compare([a, b])
    (a / name).write_bytes(b"PK")
    with pytest.raises(DataError, match="not readable as pair scores"):
        compare([a, b])
    np.savez(a / name, **{"lfw.distances": np.zeros(3)})
    with pytest.raises(DataError, match="lfw: holds no pair scores"):
        compare([a, b])
    np.savez(a / name, **{"lfw.distances": np.array([{}]), "lfw.same": np.zeros(1, bool)})
    with pytest.raises(DataError, match="not readable as pair scores"):  # a pickle is never run
        compare([a, b])


def test_without_scores_the_folds_judge(groups):
    a, b = groups["arcface"][0], groups["plus"][0]
    (a / "eval" / "step_00000100.npz").unlink()
    difference = compare([a, b]).targets[0].differences[0]
    assert difference.verdict.unit == "folds"
    assert (difference.mcnemar, difference.bootstrap) == (None, None)


def test_reports_of_groups(groups, tmp_path):
    comparison = compare(groups=groups)
    console = Console(file=io.StringIO(), width=80)
    report.to_terminal(comparison, console)
    shown = console.file.getvalue()
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "arcface (4 runs)" in shown
    assert "Welch's t over" in shown
    written = report.write(comparison, tmp_path / "out")
    content = json.loads(written[0].read_text(encoding="utf-8"))
    assert content["reference"] == "arcface"
    assert content["groups"]["plus"] == [f"plus_{i}" for i in range(4)]
    difference = content["targets"]["lfw"]["differences"][0]
    assert difference["verdict"]["test"] == "Welch's t"
    assert difference["shown"] is True
    assert content["targets"]["lfw"]["accuracies"]["plus"]["runs"] == 4
    markdown = written[1].read_text(encoding="utf-8")
    assert "seeds for 0.1" in markdown
    assert "| run.seed | 0, 1, 2, 3 | 0, 1, 2, 3 |" in markdown
