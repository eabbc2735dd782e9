"""Curves over the training and angles: which file they come from, and what is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval.compare import compare
from eval.report.training import training_sections


@pytest.fixture
def groups(seeded_run):
    runs = [seeded_run(name, 0, {"lfw": (3, i + 1)}, pairs=200) for i, name in enumerate("ab")]
    lines = [
        {"step": 10 * i, "loss": 9 / i - 1, "loss_margin": 9 / i, "accuracy": i / 40}
        for i in range(1, 41)
    ]
    (runs[0] / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return compare(runs).groups


def test_the_loss_is_drawn_without_the_regularizers_part(groups):
    training, _ = training_sections(groups, ["lfw"], {})
    loss = next(chart for chart in training.charts if chart.title == "Loss without the regularizer")
    (line,) = loss.lines
    assert (line.name, line.colour) == ("a", 0)
    assert (line.x[1], line.y[1]) == (20, 4.5)  # not 3.5, which is the sum
    assert "Loss without the regularizer: nothing from b (metrics.jsonl is missing or does not " \
           "hold it)." in training.remarks  # fmt: skip


def test_accuracies_are_in_percent(groups):
    training, _ = training_sections(groups, ["lfw"], {})
    charts = {chart.title: chart for chart in training.charts}
    assert charts["Accuracy on training batches"].lines[0].y[39] == 100
    verified = charts["Verification accuracy on lfw"].lines
    assert [line.name for line in verified] == ["a", "b"]
    assert 50 < verified[0].y[-1] < 100


def test_every_axis_names_what_it_shows(groups):
    for section in training_sections(groups, ["lfw"], {"a": np.linspace(60, 75, 100)}):
        for chart in section.charts:
            assert chart.x_label in ("training step", "angle, degrees")
            assert any(u in chart.y_label for u in ("%", "nats", "degrees", "learning rate"))


def test_the_angle_histogram_holds_every_class_once(groups):
    _, angles = training_sections(groups, ["lfw"], {"a": np.linspace(60, 75, 100)})
    chart = angles.charts[0]
    assert sum(chart.lines[0].y[::2]) == pytest.approx(100)
    assert any("nothing from b" in remark for remark in angles.remarks)


def test_the_angles_of_a_groups_runs_are_pooled(seeded_run):
    runs = [seeded_run(f"a{i}", i, {"lfw": (3, i + 1)}, pairs=40) for i in range(3)]
    groups = compare(groups={"a": runs[:2], "b": runs[2:]}).groups
    angles = {f"a{i}": np.linspace(60 + i, 75, 100) for i in range(3)}
    chart = training_sections(groups, ["lfw"], angles)[1].charts[0]
    assert [(line.name, line.colour) for line in chart.lines] == [("a", 0), ("b", 1)]
    assert [sum(line.y[::2]) for line in chart.lines] == pytest.approx([100, 100])


def test_the_runs_of_a_group_have_their_mean(seeded_run):
    runs = [seeded_run(f"a{i}", i, {"lfw": (3, i + 1)}, pairs=40) for i in range(3)]
    for i, run in enumerate(runs):
        lines = [
            {"step": step, "mean_min_angle_deg": 60.0 + step + 6 * i} for step in (1, 2, 3 + i)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    groups = compare(groups={"a": runs[:2], "b": runs[2:]}).groups
    _, angles = training_sections(groups, ["lfw"], {})
    (chart,) = (chart for chart in angles.charts if chart.title == "Mean nearest-neighbour angle")
    assert [(line.name, line.faint) for line in chart.lines] == [
        ("a", True), ("a", True), ("a", False), ("b", False),
    ]  # fmt: skip
    mean = chart.lines[2]
    assert (list(mean.x), list(mean.y)) == ([1, 2], [64.0, 65.0])  # 61 and 67, 62 and 68
    assert any("thick lines their mean" in remark for remark in angles.remarks)
