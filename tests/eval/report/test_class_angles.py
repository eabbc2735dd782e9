"""The angles of class weights: every class once, runs of a group pooled, many groups apart."""

from __future__ import annotations

import numpy as np
import pytest

from eval.compare import compare
from eval.report.class_angles import class_angle_section


def test_the_histogram_holds_every_class_once(seeded_run):
    groups = compare([seeded_run(n, 0, {"lfw": (3, 1)}, pairs=40) for n in "ab"]).groups
    angles = class_angle_section(groups, {"a": {}, "b": {}}, {"a": np.linspace(60, 75, 100)})
    chart = angles.charts[0]
    assert sum(chart.lines[0].y[::2]) == pytest.approx(100)
    assert any("nothing from b" in remark for remark in angles.remarks)


def test_the_angles_of_a_groups_runs_are_pooled(seeded_run):
    runs = [seeded_run(f"a{i}", i, {"lfw": (3, i + 1)}, pairs=40) for i in range(3)]
    groups = compare(groups={"a": runs[:2], "b": runs[2:]}).groups
    angles = {f"a{i}": np.linspace(60 + i, 75, 100) for i in range(3)}
    chart = class_angle_section(groups, {name: {} for name in angles}, angles).charts[0]
    assert [(line.name, line.colour) for line in chart.lines] == [("a", 0), ("b", 1)]
    assert [sum(line.y[::2]) for line in chart.lines] == pytest.approx([100, 100])


def test_the_distributions_of_many_groups_are_cumulative(seeded_run):
    groups = compare([seeded_run(n, 0, {"lfw": (3, 1)}, pairs=40) for n in "abcde"]).groups
    angles = {name: np.array([70.0, 60.0, 80.0, 65.0]) for name in "abcde"}
    chart = class_angle_section(groups, {name: {} for name in "abcde"}, angles).charts[0]
    assert "smaller angle" in chart.y_label
    (line, *others) = chart.lines
    assert len(others) == 4
    assert list(line.x) == [60, 60, 65, 65, 70, 70, 80, 80]
    assert list(line.y) == [0, 25, 25, 50, 50, 75, 75, 100]
    assert not line.area
