"""Charts draw what they are given, and no more than can be seen."""

from __future__ import annotations

import re

from eval.report.charts import (
    BOTTOM,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    Chart,
    Line,
    legend,
    svg,
)


def polyline(drawn):
    return re.search('<polyline class="line" points="(.*?)"', drawn)[1]


def test_a_chart_draws_what_it_is_given():
    line = Line("a < b", 8, [1, 10, 100], [0.1, 0.0, 0.2])
    drawn = svg(Chart("t", "x", "y", [line], log_x=True, log_y=True, unsure=10))
    assert polyline(drawn) == f"{LEFT}.0,{BOTTOM}.0 {RIGHT}.0,{TOP}.0"  # no zero on a log axis
    assert 'class="c1 again ' in drawn
    assert f'class="unsure" x="{LEFT}" y="{TOP}" width="{(RIGHT - LEFT) / 2:.1f}"' in drawn
    assert "t &lt; u: y over x, of a" in svg(Chart("t < u", "x", "y", [Line("a", 0, [1], [1])]))
    one = svg(Chart("t", "x", "y", [Line("a", 0, [5], [5])]))
    assert one.count("<circle") == 1


def test_the_last_of_many_points_is_drawn():
    for y, most in ((range(10_001), 900), ([i % 2 for i in range(10_001)], MOST_POINTS + 1)):
        drawn = polyline(svg(Chart("t", "x", "y", [Line("a", 0, range(10_001), y)])))
        assert most / 2 < drawn.count(",") <= most
        assert drawn.split()[-1] == f"{RIGHT}.0,{TOP if y[-1] else BOTTOM}.0"


def test_charts_with_one_range_have_one_axis():
    lines = [[Line("a", 0, [0, 1], [0, top])] for top in (3, 10)]
    low, high = (
        svg(Chart("t", "x", "y", each, x_range=(-1, 1), y_range=(0, 10))) for each in lines
    )
    ticks = [re.findall('class="(?:end|mid)">(.*?)<', drawn) for drawn in (low, high)]
    assert ticks[0] == ticks[1]


def test_rules_and_kinds_of_lines_are_told_apart():
    lines = [
        Line("different", 1, [0, 1], [0, 1], dashed=True),
        Line("same", 1, [0, 1], [1, 0], area=True),
    ]
    chart = Chart("t", "x", "y", lines, rules=[0.5, 7.0], rules_name="threshold")
    drawn = svg(chart)
    assert drawn.count('class="rule"') == 1  # the other one is off the axis
    assert drawn.count('class="area"') == 1
    assert "dashed" in drawn
    assert legend(chart) == [
        ("dashed c1", "different"), ("filled c1", "same"), ("ruled", "threshold"),
    ]  # fmt: skip


def test_the_legend_names_each_line_once():
    lines = [Line(name, colour, [1], [1]) for name, colour in (("a", 0), ("a", 0), ("b", 8))]
    assert legend(Chart("t", "x", "y", lines)) == [("stroke c0", "a"), ("stroke c1 again", "b")]


def test_numbered_things_have_ticks_at_whole_numbers():
    line = Line("a", 0, [1, 2, 3], [5, 6, 7])
    assert ">1.5</text>" in svg(Chart("t", "x", "y", [line], y_range=(0, 40)))
    assert ">1.5</text>" not in svg(Chart("t", "x", "y", [line], y_range=(0, 40), whole_x=True))
