"""Values of configs and summaries in a cell."""

from __future__ import annotations

import pytest

from eval.compare import compare
from eval.conditions import KeyValues
from eval.report.values import NOTHING, by_group, value, value_rows


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("wall_seconds", "3725.2", "1:02:05"),
        ("wall_seconds", "59.5", "59.5"),
        ("loss", "1.23456789", "1.23457"),
        ("steps", "38000", "38000"),
        ("name", '"mma"', "mma"),
        ("flip", "true", "true"),
        ("milestones", "[1, 2]", "[1, 2]"),
    ],
)
def test_numbers_are_short_and_seconds_a_time(key, text, shown):
    assert value(key, text) == shown


def test_a_cell_holds_the_values_of_a_groups_runs(groups):
    found = compare(groups=groups).groups
    rows = [
        KeyValues("run.seed", ("0", "1", "2", "3", "0", "1", "2", "3")),
        KeyValues("loss", ("0.5", "0.25", "1.5", "1.0", None, None, None, None)),
        KeyValues("name", ('"a"', '"a"', '"a"', '"a"', '"b"', '"c"', '"b"', None)),
    ]
    assert value_rows(found, rows) == (
        ("run.seed", "0, 1, 2, 3", "0, 1, 2, 3"),
        ("loss", "0.25 to 1.5", NOTHING),
        ("name", "a", "b, c"),
    )
    assert by_group(found, range(8), len) == [4, 4]
