"""Charts draw what they are given, and no more than can be seen."""

from __future__ import annotations

import re

from eval.report.charts import MOST_POINTS, Chart, Line, legend, svg


def test_a_chart_draws_what_it_is_given():
    line = Line("a < b", 8, [1, 10, 100], [0.1, 0.0, 0.3])
    drawn = svg(Chart("t", "x", "y", [line], log_x=True, log_y=True, unsure=10))
    points = re.search('<polyline class="line" points="(.*?)"', drawn)[1]
    assert points == "42.0,196.0 342.0,10.0"  # no zero on a logarithmic axis
    assert 'class="c1 ' in drawn
    assert 'class="unsure" x="42" y="10" width="150.0"' in drawn
    assert "t &lt; u" in svg(Chart("t < u", "x", "y", [line]))
    one = svg(Chart("t", "x", "y", [Line("a", 0, [5], [5])]))
    assert one.count("<circle") == 1
    for y, most in ((range(10_000), 900), ([i % 2 for i in range(10_000)], MOST_POINTS + 1)):
        many = svg(Chart("t", "x", "y", [Line("a", 0, range(10_000), y)]))
        assert most / 2 < many.count(",") <= most
        assert " 342.0,10.0" in many  # the last point is never thinned out


def test_the_legend_names_each_line_once():
    lines = [Line(name, colour, [1], [1]) for name, colour in (("a", 0), ("a", 0), ("b", 8))]
    assert legend(lines) == [("a", 0), ("b", 1)]
