"""What is drawn from which file of a run, and what is said of the files that are missing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval.compare import compare
from eval.report.figures import sections


@pytest.fixture
def comparison(seeded_run):
    runs = [seeded_run(name, 0, {"lfw": (3, i + 1)}, pairs=200) for i, name in enumerate("ab")]
    lines = [{"step": 10 * i, "loss": 9 / i, "accuracy": i / 40} for i in range(1, 41)]
    (runs[0] / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return compare(runs)


def test_a_curve_has_the_logged_points(comparison):
    training, *_ = sections(comparison, {})
    loss = next(chart for chart in training.charts if chart.title == "Loss")
    (line,) = loss.lines
    assert (line.name, line.colour) == ("a", 0)
    assert (line.x[1], line.y[1]) == (20, 4.5)
    accuracy = next(c for c in training.charts if c.title == "Accuracy on training batches")
    assert accuracy.lines[0].y[39] == 100
    assert (
        "Loss: nothing from b (metrics.jsonl is missing or does not hold it)." in training.remarks
    )


def test_the_roc_ends_at_one_and_one(comparison):
    roc = sections(comparison, {})[2].charts[0]
    for line in roc.lines:
        assert (line.x[-1], line.y[-1]) == (1.0, 100.0)
        assert all(np.diff(line.x) >= 0)
        assert all(np.diff(line.y) >= 0)
    assert roc.unsure == 10 / 100


def test_histograms_hold_every_value_once(comparison):
    angles = {"a": np.linspace(60, 75, 100)}
    histogram = sections(comparison, angles)[1].charts[0]
    heights = np.array(histogram.lines[0].y[::2])
    assert heights.sum() == pytest.approx(100)
    scores = sections(comparison, angles)[3].charts
    assert [chart.title for chart in scores] == ["Scores on lfw: a", "Scores on lfw: b"]
    for chart in scores:
        assert [sum(line.y[::2]) for line in chart.lines] == pytest.approx([100, 100])
