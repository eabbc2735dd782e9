"""What is drawn where: every point, filled in front and hollow behind, opposites as crosses."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from arcface_plus.models.regularizers import MHE
from arcface_plus.sphere.picture import _FRONT, _turn_to_front, sphere_figure
from arcface_plus.sphere.spreading import Spread
from arcface_plus.sphere.toys import Panel, Toy


def panel(heavy: int = 0, lines: bool = False) -> Panel:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Panel(Toy("six points", MHE(), heavy, lines), Spread(points, 0.5, (0.5,)))


def test_every_point_is_drawn_where_it_is_seen() -> None:
    made = panel(heavy=1)
    (axes,) = sphere_figure([made]).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    turned = made.found.points @ _turn_to_front(made.found.points[0]).T
    assert len(dots) == 6
    for dot, (x, y, z) in zip(dots, turned, strict=True):
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx((x, y))
        assert (dot.get_markerfacecolor() == "none") == (z < 0)
    colours = [to_hex(dot.get_color()) for dot in dots]
    assert colours[0] not in colours[1:]
    assert axes.get_title().startswith("six points\nsmallest angle ")


def test_opposites_are_crosses() -> None:
    (axes,) = sphere_figure([panel(lines=True)]).axes
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    dots = np.array([line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"])
    assert np.allclose(crosses[0].get_xydata(), -dots)
    assert len(sphere_figure([panel(), panel()]).axes) == 2


def test_panels_in_rows_fill_the_first_row_first() -> None:
    panels = sphere_figure([panel()] * 5, rows=2).axes
    grid = panels[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (2, 3)
    assert [axes.get_subplotspec().rowspan.start for axes in panels] == [0, 0, 0, 1, 1]


def test_turning_is_a_rotation_that_brings_the_point_to_the_front() -> None:
    for point in (*np.eye(3), *-np.eye(3), _FRONT, np.array([0.6, -0.8, 0.0])):
        turn = _turn_to_front(point)
        assert np.allclose(turn @ point, _FRONT)
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1.0)


def test_the_picture_says_what_its_marks_mean() -> None:
    said = sphere_figure([panel()]).get_supxlabel()
    assert said == "filled: in front, hollow: behind"
    figure = sphere_figure([panel(heavy=1), panel(lines=True)])
    assert "orange: weight β, cross: opposite of a point" in figure.get_supxlabel()
    assert "smallest angle of lines" in figure.axes[1].get_title()
    assert "of lines" not in figure.axes[0].get_title()
