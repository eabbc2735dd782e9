"""Table 1 of "MMA Regularization" (NeurIPS 2020): ten Tammes problems, each by four losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from arcface_plus.models.regularizers import MHE, MMA, MaximalCosine, Regularizer
from arcface_plus.sphere.packing_solver import best_packing
from arcface_plus.sphere.results import Packings
from arcface_plus.sphere.tammes import Descent, descend
from arcface_plus.sphere.tammes_files import continued, write

BEST = "best"
Progress = Callable[[int, int], None]
COLUMNS: dict[str, tuple[str, str, Callable[[], Regularizer]]] = {
    "mma": ("MMA", "mma", MMA),
    "cosine": ("cosine", "cosine", MaximalCosine),
    "riesz": ("Riesz s=2", "{name: mhe, power: 2}", MHE),
    "log": ("log", "{name: mhe, power: 0}", lambda: MHE(power=0.0)),
}
"""By folder: the heading, what --regularizer of `tammes` takes, and the loss."""

PAPER: dict[tuple[int, int], dict[str, float]] = {
    of: dict(zip(COLUMNS, degrees, strict=True))
    for of, degrees in {
        (3, 4): (109.5, 109.5, 109.4, 109.5),
        (3, 30): (38.5, 0.0, 34.9, 35.4),
        (3, 130): (17.6, 0.0, 12.6, 16.7),
        (4, 5): (104.5, 104.5, 104.5, 104.5),
        (4, 30): (54.0, 53.7, 49.3, 48.6),
        (4, 130): (32.0, 32.1, 27.9, 27.2),
        (4, 600): (19.3, 0.0, 15.9, 13.1),
        (5, 6): (101.5, 101.5, 101.2, 101.5),
        (5, 30): (65.5, 64.0, 57.1, 60.0),
        (5, 130): (42.9, 42.5, 35.8, 35.6),
    }.items()
}
"""The paper's degrees by (dimension, points)."""


@dataclass(frozen=True)
class Cell:
    """One problem solved in one way: by a loss of COLUMNS, or by the solver of `BEST`."""

    dimension: int
    points: int
    way: str

    def folder(self, out: Path) -> Path:
        return out / f"d{self.dimension}_n{self.points}" / self.way

    def read(self, out: Path, steps: int) -> Packings:
        """What is there of it; without seeds if it has not begun."""
        way, solver = (self.way, "descent") if self.way != BEST else ("mma", BEST)
        planned = Packings(self.dimension, self.points, COLUMNS[way][1], solver, steps)
        return continued(self.folder(out), planned)

    def solve(self, out: Path, seed: int, steps: int, progress: Progress) -> Tensor:
        """The unit rows (points, D) of one seed. `BEST` starts from the best points of MMA."""
        if self.way == BEST:
            start = Cell(self.dimension, self.points, "mma").read(out, steps).best
            assert start is not None
            return best_packing(start, seed, progress)
        loss = COLUMNS[self.way][2]()
        return descend(self.dimension, self.points, loss, seed, Descent(steps), progress)


CELLS = tuple(Cell(*problem, way) for problem in PAPER for way in (*COLUMNS, BEST))
Table = dict[Cell, Packings]


def read_table(out: Path, steps: int) -> Table:
    """What is there of each cell of the table in the folder ``out``."""
    return {cell: cell.read(out, steps) for cell in CELLS}


def to_do(table: Table, seeds: int) -> Iterator[tuple[Cell, int]]:
    """The cells and seeds that are missing: all problems with the first seed, and so on. The
    solver of `BEST`, which tries many starts itself, has one seed."""
    for seed in range(seeds):
        for cell, found in table.items():
            if seed >= len(found.angles) and (seed == 0 or cell.way != BEST):
                yield cell, seed


def add(out: Path, cell: Cell, seed: int, steps: int, progress: Progress) -> Packings:
    """Solve a cell with its next seed and write the files of its folder."""
    found = cell.read(out, steps)
    assert seed == len(found.angles)
    found = found.with_next(cell.solve(out, seed, steps, progress))
    write(cell.folder(out), found)
    return found
