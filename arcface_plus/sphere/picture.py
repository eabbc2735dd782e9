"""Points on a sphere as a Matplotlib figure, seen from a distance (orthographic projection)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcface_plus.sphere.toys import Panel

_POINT, _HEAVY, _GRID = "#0072b2", "#d55e00", "#c8c8c8"
_CIRCLE = np.linspace(0.0, 2 * np.pi, 181)
_TILT = np.radians(20.0)
_FRONT = np.array([-0.2, 0.4, np.sqrt(0.8)])


def sphere_figure(panels: Sequence[Panel], rows: int = 1) -> Figure:
    """One sphere a panel. Points in front are filled, points behind are hollow; heavy ones are
    larger, and the first is turned to the same place. Where opposites count, a line joins a point
    and its opposite, a small cross."""
    columns = -(-len(panels) // rows)
    figure = Figure(figsize=(3.0 * columns, 3.8 * rows + 0.3), layout="constrained")
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place)
        _draw(axes, panel)
    figure.supxlabel(_key(panels), fontsize=9)
    return figure


def _key(panels: Sequence[Panel]) -> str:
    parts = ["filled: in front", "hollow: behind"]
    if any(panel.toy.heavy for panel in panels):
        parts.append("large and orange: weight β")
    if any(panel.toy.lines for panel in panels):
        parts.append("cross: opposite of a point")
    return ", ".join(parts)


def _draw(axes: Axes, panel: Panel) -> None:
    _sphere(axes)
    points = panel.found.points @ _turn_to_front(panel.found.points[0]).T
    if panel.toy.lines:
        for x, y, _ in points:
            axes.plot([x, -x], [y, -y], color=_POINT, linewidth=0.6, alpha=0.5)
        axes.plot(-points[:, 0], -points[:, 1], "x", color=_POINT, markersize=5)
    for k, (x, y, z) in enumerate(points):
        colour = _HEAVY if k < panel.toy.heavy else _POINT
        axes.plot(
            x, y, "o", color=colour, markersize=11 if k < panel.toy.heavy else 8,
            markerfacecolor=colour if z >= 0 else "none", zorder=3 if z >= 0 else 2,
        )  # fmt: skip
    angle = panel.found.smallest_angle(opposite=panel.toy.lines)
    what = "smallest angle of lines" if panel.toy.lines else "smallest angle"
    axes.set_title(f"{panel.toy.title}\n{what} {angle:.1f}°", fontsize=10)
    axes.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    axes.axis("off")


def _sphere(axes: Axes) -> None:
    """The outline, and meridians and parallels of the half in front."""
    axes.plot(np.cos(_CIRCLE), np.sin(_CIRCLE), color="#808080", linewidth=1.0)
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(_TILT), -np.sin(_TILT)], [0, np.sin(_TILT), np.cos(_TILT)]]
    )
    circles = []
    for height in np.sin(np.radians([-60, -30, 0, 30, 60])):
        radius = np.sqrt(1 - height**2)
        circles.append(
            [radius * np.cos(_CIRCLE), np.full_like(_CIRCLE, height), radius * np.sin(_CIRCLE)]
        )
    for longitude in np.radians(range(0, 180, 30)):
        across = np.cos(_CIRCLE)
        circles.append([across * np.cos(longitude), np.sin(_CIRCLE), across * np.sin(longitude)])
    for circle in circles:
        x, y, z = tilt @ np.array(circle)
        axes.plot(np.where(z >= 0, x, np.nan), y, color=_GRID, linewidth=0.6)


def _turn_to_front(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """A (3, 3) rotation that turns a point to `_FRONT`.

    No axis of symmetry of the points then lies in the picture's plane or along the view, where
    points would hide each other.
    """
    across = np.eye(3)[int(np.argmin(np.abs(point)))]
    turned: NDArray[np.float64] = _frame(_FRONT, np.array([0.3, 0.2, -0.9])).T @ _frame(
        point, across
    )
    return turned


def _frame(first: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Three orthonormal rows: `first`, and two that are orthogonal to it."""
    second = np.cross(first, across)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
