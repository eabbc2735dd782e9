"""Line charts as SVG text for a page: no script, no font, colours left to the page's style sheet.

A line has a class c0, c1, …, which sets `color`; lines, areas and dots take `currentColor`, text
and axes the page's own. So one drawing serves light, dark and print. The viewBox is as wide as a
phone, where text keeps its size; on larger screens charts stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from data_prep.errors import printable

COLOURS = 7
"""Classes c0 … c6 that the style sheet knows; further lines begin again."""

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 42, 342, 10, 196
MOST_POINTS = 2000
NEAR = 0.6
"""Pixels: what moves less than that from the last point drawn cannot be seen."""


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines. Lines of one name and colour share an entry of the legend.

    `dots` marks every point; `area` fills down to the axis; `faint` is for one of many.
    """

    name: str
    colour: int
    x: Sequence[float]
    y: Sequence[float]
    dots: bool = False
    area: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Chart:
    """What is drawn where; on a logarithmic axis points that are not positive are left out.

    `rules` are dashed vertical lines, `unsure` is the x below which the ground is grey.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = False
    rules: Sequence[float] = ()
    unsure: float | None = None


@dataclass(frozen=True)
class _Axis:
    """Values low … high onto pixels start … end."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        low, high, x = (self._flat(v) for v in (self.low, self.high, value))
        return self.start + (x - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            if last > first:
                return [10.0**k for k in range(first, last + 1)]
        step = _nice((self.high - self.low) / 6)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]

    def _flat(self, value: float) -> float:
        return math.log10(value) if self.log else value


def svg(chart: Chart) -> Markup:
    """The chart as one <svg> element; its title is what a screen reader says."""
    lines = [(line, _points(line, chart)) for line in chart.lines]
    drawn = [point for _, points in lines for point in points]
    x = _axis([p[0] for p in drawn], LEFT, RIGHT, chart.log_x)
    y = _axis([p[1] for p in drawn], BOTTOM, TOP, chart.log_y)
    if chart.from_zero:
        y = replace(y, low=0.0)
    elif not chart.log_y:  # room below, so that no point sits on the axis
        y = replace(y, low=y.low - 0.06 * (y.high - y.low))
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
    title = escape(printable(chart.title))
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        + "".join(parts) + "</svg>"
    )  # fmt: skip


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


def _axis(values: Sequence[float], start: float, end: float, log: bool) -> _Axis:
    low, high = min(values, default=1.0), max(values, default=1.0)
    if high <= low:  # one value alone: room around it
        pad = abs(low) * 0.1 or 1.0
        low, high = (low / 2, high * 2) if log else (low - pad, high + pad)
    return _Axis(low, high, start, end, log)


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= step * (1 - 1e-9))


def _frame(chart: Chart, x: _Axis, y: _Axis) -> list[str]:
    parts = []
    for tick in y.ticks():
        at = y.at(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" class="end">{_number(tick)}</text>')
    for tick in x.ticks():
        at = x.at(tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
        parts.append(f'<text x="{at:.1f}" y="{BOTTOM + 16}" class="mid">{_number(tick)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>')
    middle = (LEFT + RIGHT) / 2
    label = escape(printable(chart.x_label))
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 8}" class="mid label">{label}</text>')
    return parts


def _line(line: Line, points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return ""
    colour = line.colour % COLOURS
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    kind = "faint" if line.faint else ""
    parts = [f'<g class="c{colour} {kind}">']
    if line.area:
        corners = f"{points[0][0]:.1f},{BOTTOM} {path} {points[-1][0]:.1f},{BOTTOM}"
        parts.append(f'<polygon class="area" points="{corners}"/>')
    parts.append(f'<polyline class="line" points="{path}"/>')
    if line.dots or len(points) == 1:
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.2"/>' for a, b in points]
    return "".join([*parts, "</g>"])


def _number(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.6g}".replace("-", "−")


def legend(lines: Sequence[Line]) -> list[tuple[str, int]]:
    """The names of the lines with the numbers of their colours, each pair once."""
    return list(dict.fromkeys((line.name, line.colour % COLOURS) for line in lines))
