"""The angles of layers: a line a group over the layers, the classifier last, courses of some."""

from __future__ import annotations

import numpy as np
import pytest

from eval.compare import compare
from eval.report.layer_angles import MOST_COURSES, Layer, layer_angle_section
from eval.series import Series

LAYERS = {
    "a0": [Layer("conv1", 50, 60), Layer("fc", 70, 80)],
    "a1": [Layer("conv1", 52, 64), Layer("fc", 74, 82)],
    "b0": [Layer("conv1", 30, 40), Layer("conv2", 31, 41), Layer("fc", 32, 42)],
}
CLASSES = {name: np.array([20.0, 40.0, 60.0]) for name in ("a0", "a1")}


@pytest.fixture
def groups(seeded_run):
    runs = {n: seeded_run(n, int(n[1]), {"lfw": (3, 1)}, pairs=40) for n in ("a0", "a1", "b0")}
    return compare(groups={"a": [runs["a0"], runs["a1"]], "b": [runs["b0"]]}).groups


def logged(**layers):
    """Run → its logged layers: the smallest angle is 10 at step 1 and 20 at step 2."""
    return {
        run: {f"min_angle_deg.{name}": Series((1, 2), (10.0, 20.0)) for name in layers.get(run, ())}
        for run in ("a0", "a1", "b0")
    }


def test_a_line_a_group_over_the_layers_the_classifier_last(groups):
    found = layer_angle_section(groups, logged(), LAYERS, CLASSES)
    smallest, mean = found.charts
    assert smallest.title == "Smallest angle of each layer, last checkpoint"
    assert [(list(line.x), list(line.y)) for line in smallest.lines] == [
        ([1, 2, 4], [51, 72, 20]), ([1, 2, 3], [30, 32, 31]),
    ]  # fmt: skip
    assert [list(line.y) for line in mean.lines] == [[62, 81, 40], [40, 42, 41]]
    assert smallest.whole_x
    (table,) = found.tables
    assert table.columns == ("layer", "a", "b")
    assert table.rows == (
        ("1 conv1", "51.0 / 62.0", "30.0 / 40.0"),
        ("2 fc", "72.0 / 81.0", "32.0 / 42.0"),
        ("3 conv2", "—", "31.0 / 41.0"),
        ("4 classifier", "20.0 / 40.0", "—"),
    )


def test_what_is_missing_is_said_once(groups):
    found = layer_angle_section(groups, logged(a0=["x", "y"]), {"a0": LAYERS["a0"]}, {})
    assert found.remarks[1:] == (
        "Angles of layers: nothing from a1, b0 (no checkpoint was handed in).",
        "Angles of layers over the training: nothing from a1, b0 (only the layers that a "
        "regularizer acts on are logged).",
    )
    assert [chart.title for chart in found.charts[2:]] == [
        "Smallest angle of x", "Smallest angle of y",
    ]  # fmt: skip
    assert list(found.charts[2].lines[0].y) == [10, 20]


def test_of_many_layers_some_are_drawn_over_the_training_first_and_last_included(groups):
    names = [f"l{k}" for k in range(20)]
    every = {"a0": names, "a1": names, "b0": names}
    found = layer_angle_section(groups, logged(**every), {}, {})
    titles = [chart.title for chart in found.charts]
    assert len(titles) == MOST_COURSES
    assert (titles[0], titles[-1]) == ("Smallest angle of l0", "Smallest angle of l19")
    assert "Over the training 6 of 20 layers are drawn." in found.remarks
    assert found.tables == ()


def test_without_layers_there_is_no_section(groups):
    assert layer_angle_section(groups, logged(), {}, CLASSES) is None
