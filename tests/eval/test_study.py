"""Arms are compared by their common seeds, all verdicts of a study are corrected together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from judged_studies import arms, study

from eval.groups import Group
from eval.judge import compare_groups
from eval.metric import ACCURACY, METRICS
from eval.multiple_testing import holm
from eval.study import Unfinished


@pytest.fixture
def three(seeded_run):
    return arms(seeded_run)


def without(arm, *seeds):
    """The arm without the runs of these seeds."""
    kept = tuple(run for run in arm.group.runs if run.seed not in seeds)
    return replace(arm, group=Group(arm.name, kept))


def test_verdicts_are_those_of_compare_corrected_together(three):
    pairs = [("plain", "mma <b>"), ("half", "mma <b>"), ("plain", "half")]
    found = study(three, pairs)
    assert [c.groups[0].name for c in found.comparisons] == ["plain", "half"]
    groups = {arm.name: arm.group for arm in three}
    alone = {pair: compare_groups("lfw", groups[pair[0]], groups[pair[1]]) for pair in pairs}
    corrected = dict(zip(pairs, holm([alone[pair].primary.p for pair in pairs]), strict=True))
    assert len(found.differences) == 3
    for d in found.differences:
        primary = alone[d.reference, d.name].primary
        assert d.verdict.test == "paired t by seed"
        assert (d.verdict.p, d.verdict.mean) == (primary.p, primary.mean)
        assert d.verdict.p_holm == pytest.approx(corrected[d.reference, d.name])
        assert d.verdict.of == 3
    assert any("corrected for 3 verdicts" in caveat for caveat in found.caveats)


def test_an_unfinished_arm_is_paired_by_the_seeds_it_has(three):
    plain, mma, half = three
    difference = study([plain, without(mma, 1), half]).differences[0]
    assert difference.verdict.test == "paired t by seed"
    assert difference.by_seed.n == 2
    values = [dict(zip((0, 1, 2), arm.group.values("lfw", ACCURACY), strict=True))
              for arm in (plain, mma)]  # fmt: skip
    expected = sum(values[1][seed] - values[0][seed] for seed in (0, 2)) / 2
    assert difference.verdict.mean == pytest.approx(expected)


def test_one_finished_seed_of_several_gives_no_verdict(three):
    """McNemar's test would call two networks different, not two recipes."""
    plain, mma, half = three
    found = study([plain, without(mma, 1, 2), half])
    assert found.differences[0].words == "too few seeds"
    assert found.differences[0].verdict is None
    assert found.differences[1].verdict.of == 1
    one_seed = [replace(without(arm, 1, 2), seeds=(0,)) for arm in three]
    assert study(one_seed).differences[0].verdict.unit == "pairs"


def test_an_arm_without_runs_is_not_compared(three):
    plain, mma, half = three
    found = study([plain, without(mma, 0, 1, 2), half])
    assert found.differences[0].words == "not run yet"
    assert "mma <b> has no finished run" in found.differences[0].sentence
    assert found.differences[1].verdict is not None


def test_lower_is_better_where_the_metric_says_so(three):
    difference = study(three, metric=METRICS["eer"]).differences[0]
    assert difference.verdict.mean < 0
    assert difference.favours_group
    assert difference.folds is None
    if difference.shown:
        assert "mma <b> is better than plain on lfw by EER" in difference.sentence
    single = [without(arm, 1, 2) for arm in three]
    assert study(single, metric=METRICS["eer"]).differences[0].words == "too few seeds"


def test_json_has_the_keys_of_the_interface(three):
    found = study(three, unfinished=(Unfinished("half/seed_3", "not begun"),))
    content = json.loads(json.dumps(found.to_json()))
    assert content["complete"] is False
    assert content["needs"] == "Faces & <names>\nfrom their site\n"
    assert content["not_run"] == [{"run": "half/seed_3", "why": "not begun"}]
    arm = content["variants"]["mma <b>"]
    assert arm.keys() >= {"runs", "mean", "std", "paper"}
    values = [run["values"]["lfw"] for run in arm["runs"]]
    assert arm["mean"]["lfw"] == pytest.approx(sum(values) / 3)
    assert arm["paper"] == {"lfw": 0.9}
    for comparison in content["comparisons"]:
        assert comparison.keys() >= {"difference", "interval", "p", "verdict"}
        low, high = comparison["interval"]
        assert low < comparison["difference"] < high
