"""Curves over the training: which file they come from, and what is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval.compare import compare
from eval.groups import Group
from eval.report.training import training_sections
from eval.runs import read_run


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
    training, _ = training_sections(groups, ["lfw"], {}, {})
    loss = next(chart for chart in training.charts if chart.title == "Loss without the regularizer")
    (line,) = loss.lines
    assert (line.name, line.colour) == ("a", 0)
    assert (line.x[1], line.y[1]) == (20, 4.5)  # not 3.5, which is the sum
    assert "Loss without the regularizer: nothing from b (metrics.jsonl is missing or does not " \
           "hold it)." in training.remarks  # fmt: skip


def test_accuracies_are_in_percent(groups):
    training, _ = training_sections(groups, ["lfw"], {}, {})
    charts = {chart.title: chart for chart in training.charts}
    assert charts["Accuracy on training batches"].lines[0].y[39] == 100
    verified = charts["Verification accuracy on lfw"].lines
    assert [line.name for line in verified] == ["a", "b"]
    assert 50 < verified[0].y[-1] < 100


def test_every_axis_names_what_it_shows(groups):
    for section in training_sections(groups, ["lfw"], {"a": np.linspace(60, 75, 100)}, {}):
        for chart in section.charts:
            assert chart.x_label in ("training step", "angle, degrees")
            assert any(u in chart.y_label for u in ("%", "nats", "degrees", "learning rate"))


def test_accuracies_are_called_what_they_are(groups, tmp_path):
    run = tmp_path / "digits"
    (run / "eval").mkdir(parents=True)
    figures = {"schema": 1, "checkpoint": "", "images": 2, "classes": 2, "top1": 0.5, "top5": None,
               "top1_ci95": [0.1, 0.9], "mean_class_error": 0.5, "per_class_error": [0.5, 0.5],
               "per_class_images": [1, 1], "task": "classification"}  # fmt: skip
    (run / "eval/step_00000010.json").write_text(json.dumps(figures))
    (run / "config.yaml").write_text("run: {name: digits}\n")
    digits = (Group("digits", (read_run(run),)),)
    training, _ = training_sections(digits, ["test"], {}, {})
    (chart,) = training.charts
    assert (chart.title, chart.y_label) == ("Top-1 accuracy on test", "top-1 accuracy, %")
    training, _ = training_sections(groups, ["lfw"], {}, {})
    assert ("Verification accuracy on lfw", "10-fold accuracy, %") in [
        (chart.title, chart.y_label) for chart in training.charts
    ]
