"""Fourteen groups can be told apart."""

from __future__ import annotations

from eval.report.colours import COLOURS, colour


def test_fourteen_groups_have_fourteen_looks():
    found = [colour(number) for number in range(2 * COLOURS)]
    assert len(set(found)) == 2 * COLOURS
    assert found[0] == "c0"
    assert found[COLOURS] == "c0 again"
    assert colour(2 * COLOURS) == "c0"
