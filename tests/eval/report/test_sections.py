"""What a section is made of, and what is said of missing files."""

from __future__ import annotations

import numpy as np
import pytest

from eval.report.charts import Chart, Line
from eval.report.sections import bins, histogram, missing, section

CHART = Chart("t", "x", "y", [Line("a", 0, [1], [1])])


def test_a_histogram_holds_every_value_once():
    values = np.random.default_rng(0).normal(size=500)
    line = histogram("a", 0, values, bins(values.min(), values.max(), 12))
    heights = np.array(line.y[::2])
    assert heights.sum() == pytest.approx(100)
    assert (len(line.x), len(heights)) == (24, 12)
    assert (line.x[0], line.x[-1]) == (values.min(), values.max())
    assert len(bins(1.0, 1.0, 4)) == 5  # equal values still have a bin


def test_what_is_about_charts_is_said_where_there_are_some():
    full = section("s", [(CHART, []), (None, ["nothing from b"])], "about")
    assert (full.charts, full.remarks) == ((CHART,), ("about", "nothing from b"))
    assert section("s", [(None, ["nothing"])], "about").remarks == ("nothing",)


def test_one_sentence_names_the_runs_without_something():
    assert missing("Loss", ["a", "b"], "no file") == ["Loss: nothing from a, b (no file)."]
    assert missing("Loss", [], "no file") == []
