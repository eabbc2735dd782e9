"""Secondary figures: the same runs and seeds as the judged one, plain intervals, no verdicts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from judged_studies import arms
from scipy import stats

from eval.groups import Group
from eval.metric import METRICS
from eval.secondary import secondary

TAR = METRICS["tar@1e-1"]


@pytest.fixture
def groups(seeded_run):
    return {arm.name: arm.group for arm in arms(seeded_run)}


def test_a_difference_is_the_paired_t_over_seeds_at_95_percent(groups):
    found = secondary(TAR, "lfw", groups, [("plain", "mma <b>"), ("plain", "half")])
    plain, mma = (groups[name].values("lfw", TAR) for name in ("plain", "mma <b>"))
    differences = [y - x for x, y in zip(plain, mma, strict=True)]
    mean = sum(differences) / 3
    assert found.differences[0].test.mean == pytest.approx(mean)
    bounds = stats.t.interval(0.95, 2, mean, stats.sem(differences))
    assert found.to_json()["differences"][0]["interval"] == pytest.approx(list(bounds))
    assert found.to_json()["differences"][0]["paired"] is True
    assert found.figures["plain"].mean == pytest.approx(sum(plain) / 3)


def test_only_common_seeds_are_paired(groups):
    fewer = replace(groups["mma <b>"], runs=groups["mma <b>"].runs[1:])
    found = secondary(TAR, "lfw", {**groups, "mma <b>": fewer}, [("plain", "mma <b>")])
    assert found.differences[0].test.n == 2


def test_a_group_without_runs_has_neither_figure_nor_difference(groups):
    found = secondary(TAR, "lfw", {**groups, "half": Group("half", ())}, [("plain", "half")])
    assert found.figures["half"] is None
    assert found.differences[0].test is None
    written = json.loads(json.dumps(found.to_json()))
    assert "half" not in written["variants"]
    assert written["differences"] == []
