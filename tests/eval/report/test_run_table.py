"""One run's accuracies as rows, drawn on a common scale."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, BASE, BETTER, target

from eval.report.run_table import run_table
from eval.runs import read_run, read_unverified_run


def test_a_row_a_target(make_run):
    found = run_table(
        read_run(make_run("a", {"lfw": target(ARCFACE), "x": target(BETTER)}, config=BASE))
    )
    assert found.columns == ("AUC, %", "EER, %", "TAR at FAR 1e-1, %", "TAR at FAR 1e-2, %")
    row = found.rows[0]
    assert (row.target, row.accuracy, row.interval, row.pairs) == (
        "lfw", "95.53 ± 0.61", "95.33 to 95.73", "6000",
    )  # fmt: skip
    assert row.figures == ("99.80", "1.00", "99.90", "98.00")
    assert row.bar.low < row.bar.value < row.bar.high
    assert found.rows[1].bar.value > row.bar.value
    assert found.axis.zero is None
    unit = (found.axis.ticks[1][0] - found.axis.ticks[0][0]) / 0.5
    assert row.bar.high - row.bar.low == pytest.approx(0.4 * unit)


def test_a_run_that_was_not_verified_has_none(make_run):
    run = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    (run / "eval" / "step_00000100.json").unlink()
    (run / "metrics.jsonl").write_text("")
    found = run_table(read_unverified_run(run))
    assert (found.rows, found.axis) == ((), None)
