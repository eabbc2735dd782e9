"""Tables: one column a run or a group, values as a reader wants them."""

from __future__ import annotations

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
    (accuracy,) = [t for title, t in found.items() if title.startswith("Accuracy, %")]
    assert accuracy.rows[0][:2] == ("lfw", "95.53 ± 0.61 [95.33, 95.73]")


def test_columns_are_groups_where_there_are_seeds(groups):
    found = by_title(compare(groups=groups))
    assert found["Further figures, %"].columns == ("target", "arcface", "plus")
    each = found["Accuracy of each run, %"]
    assert [row[:2] for row in each.rows[:2]] == [("arcface_0", "0"), ("arcface_1", "1")]


def test_the_judged_test_is_not_among_the_others(groups):
    found = by_title(compare(groups=groups))
    others = next(t for title, t in found.items() if title.startswith("Other tests"))
    assert [row[1] for row in others.rows[:3]] == [
        "Welch's t over seeds", "bootstrap over pairs", "paired t over folds",
    ]  # fmt: skip
    verdicts = next(t for title, t in found.items() if title.startswith("The verdicts"))
    assert [row[:3] for row in verdicts.rows] == [
        (name, "paired t by seed", "the same 4 seeds of each") for name in ("lfw", "cfp_fp")
    ]
    assert verdicts.columns[-1] == "seeds for 0.1 points"
    single = by_title(compare([groups["arcface"][0], groups["plus"][0]]))
    others = next(t for title, t in single.items() if title.startswith("Other tests"))
    assert [row[1] for row in others.rows[:3]] == [
        "McNemar's exact test", "bootstrap over pairs", "paired t over folds",
    ]  # fmt: skip
