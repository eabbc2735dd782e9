"""Tables: one column a run or a group, values as a reader wants them."""

from __future__ import annotations

import pytest
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.report.tables import CONFIG_DIFFERENCES, tables


def by_title(comparison):
    return {table.title: table for table in tables(comparison)}


def test_columns_are_runs_and_empty_tables_are_left_out(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    found = by_title(compare([a, b]))
    assert "Training" not in found
    table = found[CONFIG_DIFFERENCES]
    assert table.columns == ("key", "a", "b")
    assert ("regularizer.weight", "0", "0.03") in table.rows
    (accuracy,) = [t for title, t in found.items() if title.startswith("Accuracy in %")]
    assert accuracy.rows[0][:2] == ("lfw", "95.53 ± 0.61 [95.33, 95.73]")


def test_columns_are_groups_where_there_are_seeds(groups):
    found = by_title(compare(groups=groups))
    means = found["Accuracy in %: mean ± standard deviation over the runs"]
    assert means.columns == ("target", "arcface (4 runs)", "plus (4 runs)")
    each = found["Accuracy in % of each run"]
    assert [row[:2] for row in each.rows[:2]] == [("arcface_0", "0"), ("arcface_1", "1")]


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        ({"wall_seconds": 3725.2}, "1:02:05"),
        ({"wall_seconds": 59.5}, "59.5"),
        ({"loss": 1.23456789}, "1.23457"),
        ({"steps": 38000}, "38000"),
    ],
)
def test_numbers_are_short_and_seconds_a_time(make_run, summary, shown):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE, summary=summary)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    assert by_title(compare([a, b]))["Training"].rows == ((next(iter(summary)), shown, "—"),)
