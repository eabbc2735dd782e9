"""The paper's figures stand beside ours, also where only some are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judged_studies import arms, study

from eval.metric import ACCURACY, METRICS
from eval.report.study_tables import (
    arms_table,
    left_out,
    paper_differences,
    progress,
    secondary_tables,
)
from eval.secondary import secondary
from eval.study import Unfinished


@pytest.fixture
def three(seeded_run):
    return arms(seeded_run)


def test_the_table_of_arms(three):
    table = arms_table(study(three))
    assert table.title == "Accuracy, %, the paper's and ours"
    assert table.columns == ("variant", "lfw, paper", "lfw, ours", "runs")
    figure = three[1].figure("lfw", ACCURACY)
    ours = f"{100 * figure.mean:.2f} ± {100 * figure.std:.2f}"
    assert table.rows[1] == ("mma <b>", "90.00", ours, "3 of 3")
    assert table.rows[2][1] == "—"


def test_without_a_paper_there_are_only_ours(three):
    table = arms_table(study([replace(arm, paper={}) for arm in three]))
    assert (table.title, table.columns) == ("Accuracy, %", ("variant", "lfw", "runs"))


def test_differences_that_the_paper_has(three):
    found = study(three)
    (row,) = paper_differences(found).rows
    assert row[:4] == ("lfw", "mma <b>", "plain", "+6.00")
    assert row[4] == f"{100 * found.differences[0].verdict.mean:+.2f}"


def test_what_is_missing(three):
    assert progress(study(three)) == ""
    assert left_out(study(three)) == []
    plain, mma, half = three
    shorter = replace(mma, group=replace(mma.group, runs=mma.group.runs[:2]))
    found = study([plain, shorter, half], unfinished=(Unfinished("mma/seed_2", "failed"),))
    assert progress(found).startswith("This study is incomplete: 8 of 9 runs are finished")
    assert left_out(found) == [
        "mma <b> against plain: leaves out seed 2, which one of them lacks."
    ]  # fmt: skip


def test_secondary_figures_have_intervals_and_no_verdicts(seeded_run):
    found = study(arms(seeded_run))
    groups = {arm.name: arm.group for arm in found.arms}
    eer = secondary(METRICS["eer"], "lfw", groups, [("plain", "mma <b>")])
    (table,) = secondary_tables(replace(found, secondary=(eer,)))
    assert table.title == "EER on lfw, %: reported without verdicts"
    by_name = {row[0]: row for row in table.rows}
    assert by_name["plain"][2:] == ("—", "—", "—")
    assert by_name["mma <b>"][2] == "plain"
    assert by_name["mma <b>"][3].startswith("−")  # a smaller error
    assert " to " in by_name["mma <b>"][4]
    assert by_name["half"][1] != "—"


def test_a_secondary_figure_that_no_run_has_is_a_remark_instead_of_a_table(seeded_run):
    found = study(arms(seeded_run))
    groups = {arm.name: arm.group for arm in found.arms}
    rare = secondary(METRICS["tar@1e-3"], "lfw", groups, [("plain", "mma <b>")])  # 200 impostors
    told = replace(found, secondary=(rare,))
    assert secondary_tables(told) == []
    assert left_out(told) == ["No run has the TAR at FAR 1e-3 on lfw; a low rate needs many pairs."]
