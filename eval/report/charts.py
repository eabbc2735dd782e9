"""Line charts as SVG text for a page: no script, no font, colours left to the page's style sheet.

A line has a class c0, c1, … (colours.py), which sets `color`; lines, areas and dots take
`currentColor`, text and axes the page's own. So one drawing serves light, dark and print. A colour
stands for one run or group all over the page; what else must be told apart is filled or dashed. The
viewBox is as wide as a phone, where text keeps its size; on larger screens charts stand side by
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from data_prep.errors import printable
from eval.report.colours import colour
from eval.report.scale import Scale, linear, logarithmic, number

WIDTH, HEIGHT = 360, 244
LEFT, RIGHT, TOP, BOTTOM = 46, 344, 12, 196
MOST_POINTS = 2000
NEAR = 0.6
"""Pixels: what moves less than that from the last point drawn cannot be seen."""


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines. Lines of one name and colour share an entry of the legend.

    `dots` marks every point; `area` fills down to the axis; `dashed` tells a second kind of line
    of one colour apart; `faint` is for one of many.
    """

    name: str
    colour: int
    x: Sequence[float]
    y: Sequence[float]
    dots: bool = False
    area: bool = False
    dashed: bool = False
    faint: bool = False

    @property
    def mark(self) -> str:
        """How the legend draws it, a CSS class."""
        return "filled" if self.area else "dashed" if self.dashed else "stroke"


@dataclass(frozen=True)
class Chart:
    """What is drawn where; on a logarithmic axis points that are not positive are left out.

    Labels name the figure and its unit. `x_range` and `y_range` hold what other charts show too,
    so that they have the same axes. `rules` are dotted vertical lines, named `rules_name` in the
    legend; `unsure` is the x below which the ground is grey; `whole_x`: no ticks between whole
    numbers.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    rules: Sequence[float] = ()
    rules_name: str = ""
    unsure: float | None = None
    whole_x: bool = False


def svg(chart: Chart) -> Markup:
    """The chart as one <svg> element; a screen reader says what it shows, and of whom."""
    lines = [(line, _points(line, chart)) for line in chart.lines]
    drawn = [point for _, points in lines for point in points]
    x = _scale([p[0] for p in drawn], chart.x_range, LEFT, RIGHT, chart.log_x, float(chart.whole_x))
    y = _scale([p[1] for p in drawn], chart.y_range, BOTTOM, TOP, chart.log_y)
    parts = []
    if chart.unsure is not None and chart.unsure > x.low:
        end = x.at(min(chart.unsure, x.high))
        parts.append(f'<rect class="unsure" x="{LEFT}" y="{TOP}" width="{end - LEFT:.1f}" '
                     f'height="{BOTTOM - TOP}"/>')  # fmt: skip
    parts += _frame(chart, x, y)
    for rule in chart.rules:
        if x.low <= rule <= x.high:
            at = f"{x.at(rule):.1f}"
            parts.append(f'<line class="rule" x1="{at}" x2="{at}" y1="{TOP}" y2="{BOTTOM}"/>')
    for line, points in lines:
        parts.append(_line(line, _thinned([(x.at(a), y.at(b)) for a, b in points])))
    names = ", ".join(dict.fromkeys(line.name for line in chart.lines))
    told = f"{chart.title}: {chart.y_label} over {chart.x_label}, of {names}"
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(printable(told))}">'
        + "".join(parts) + "</svg>"
    )  # fmt: skip


def legend(chart: Chart) -> list[tuple[str, str]]:
    """The entries of the legend, each once: the CSS classes of its mark, its name."""
    entries = [
        (f"{line.mark} {colour(line.colour)}", line.name) for line in chart.lines
    ]  # fmt: skip
    entries += [("ruled", chart.rules_name)] if chart.rules and chart.rules_name else []
    return list(dict.fromkeys(entries))


def _points(line: Line, chart: Chart) -> list[tuple[float, float]]:
    """What can be drawn on these axes."""
    return [
        (float(a), float(b))
        for a, b in zip(line.x, line.y, strict=True)
        if (a > 0 or not chart.log_x) and (b > 0 or not chart.log_y)
    ]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points in pixels without those that cannot be seen or are too many; the last one stays."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if not kept or abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= NEAR:
            kept.append(point)
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    every = -(-len(kept) // MOST_POINTS)
    return kept if every <= 1 else [*kept[:-1:every], kept[-1]]


def _scale(
    values: Sequence[float],
    both: tuple[float, float] | None,
    start: float,
    end: float,
    log: bool,
    least_step: float = 0.0,
) -> Scale:
    low, high = both or (min(values, default=1.0), max(values, default=1.0))
    if log:
        return logarithmic(low, high, start, end)
    return linear(low, high, start, end, intervals=6, least_step=least_step)


def _frame(chart: Chart, x: Scale, y: Scale) -> list[str]:
    parts = []
    for tick in y.ticks:
        at = y.at(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" class="end">{number(tick)}</text>')
    for tick in x.ticks:
        at = x.at(tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
        parts.append(f'<text x="{at:.1f}" y="{BOTTOM + 16}" class="mid">{number(tick)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>')
    middle = (LEFT + RIGHT) / 2
    label = escape(printable(chart.x_label))
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 10}" class="mid">{label}</text>')
    return parts


def _line(line: Line, points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return ""
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    kinds = " ".join(kind for kind in ("faint", "dashed") if getattr(line, kind))
    parts = [f'<g class="{colour(line.colour)} {kinds}">']
    if line.area:
        corners = f"{points[0][0]:.1f},{BOTTOM} {path} {points[-1][0]:.1f},{BOTTOM}"
        parts.append(f'<polygon class="area" points="{corners}"/>')
    parts.append(f'<polyline class="line" points="{path}"/>')
    if line.dots or len(points) == 1:
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in points]
    return "".join([*parts, "</g>"])
