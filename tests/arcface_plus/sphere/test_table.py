"""The table's cells: which are missing, and what each is solved by."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcface_plus.models.regularizers import MHE
from arcface_plus.sphere import table as tables
from arcface_plus.sphere.packings import best_known_deg
from arcface_plus.sphere.table import BEST, CELLS, PAPER, Cell, add, read_table, to_do
from arcface_plus.sphere.tammes import Descent, descend, smallest_angle_deg


def quiet(done: int, total: int) -> None:
    pass


def test_the_paper_is_never_above_the_best_known() -> None:
    assert len(PAPER) == 10
    for (dimension, points), degrees in PAPER.items():
        known = best_known_deg(dimension, points)
        assert known is not None
        assert max(degrees.values()) <= known + 0.05


def test_what_is_missing(tmp_path: Path) -> None:
    missing = list(to_do(read_table(tmp_path, 5), 3))
    assert len(missing) == 10 * (4 * 3 + 1)
    assert [seed for _, seed in missing] == sorted(seed for _, seed in missing)
    assert sum(cell.way == BEST for cell, _ in missing) == 10
    done = Cell(3, 4, "cosine")
    add(tmp_path, done, 0, 5, quiet)
    again = list(to_do(read_table(tmp_path, 5), 3))
    assert again == [one for one in missing if one != (done, 0)]


def test_a_cell_is_the_descent_of_its_seeds(tmp_path: Path) -> None:
    cell = Cell(3, 4, "log")
    for seed in range(2):
        found = add(tmp_path, cell, seed, 20, quiet)
    expected = [descend(3, 4, MHE(power=0.0), seed, Descent(20)) for seed in range(2)]
    assert list(found.angles) == [smallest_angle_deg(rows) for rows in expected]
    assert read_table(tmp_path, 20)[cell].angles == found.angles


def test_best_starts_from_the_best_points_of_mma(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {cell.way for cell in CELLS} == {"mma", "cosine", "riesz", "log", "best"}
    best = add(tmp_path, Cell(3, 4, "mma"), 0, 5, quiet).best
    starts = []
    monkeypatch.setattr(tables, "best_packing", lambda rows, seed, _: starts.append(rows) or rows)
    add(tmp_path, Cell(3, 4, BEST), 0, 5, quiet)
    assert best is not None
    assert (starts[0] == best).all()
