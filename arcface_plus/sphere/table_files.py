"""DIR/table.md and table.png: the table of the Tammes problems that is in the folder so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arcface_plus.sphere.packings import best_known_deg, upper_bound_deg
from arcface_plus.sphere.results import Packings
from arcface_plus.sphere.table import BEST, COLUMNS, PAPER, Cell, Table
from data_prep.files import replacing, write_text

_COLORS = {"mma": "#0072b2", "cosine": "#d55e00", "riesz": "#009e73", "log": "#cc79a7"}


def write_table(out: Path, table: Table) -> None:
    write_text(out / "table.md", markdown(table))
    with replacing(out / "table.png") as file:
        _figure(table).savefig(file, dpi=120, format="png")


def markdown(table: Table) -> str:
    """Degrees: a line a problem; of each loss, the range over its seeds and the paper's figure."""
    headings = ["d, n", "bound", "best known", "`--solver best`"]
    headings += [f"{heading} (paper)" for heading, _, _ in COLUMNS.values()]
    lines = [headings, ["---"] * len(headings)]
    for (dimension, points), paper in PAPER.items():
        known = best_known_deg(dimension, points)
        cells = {way: table[Cell(dimension, points, way)] for way in (*COLUMNS, BEST)}
        best = cells[BEST]
        lines.append(
            [
                f"{dimension}, {points}",
                f"{upper_bound_deg(dimension, points):.3f}",
                ""
                if known is None
                else f"{known:g}"
                if known == round(known, 1)
                else f"{known:.3f}",
                f"{best.best_deg:.3f}" if best.angles else "not yet",
                *(f"{_range(cells[way])} ({paper[way]:g})" for way in COLUMNS),
            ]
        )
    seeds = sorted({len(found.angles) for cell, found in table.items() if cell.way != BEST})
    counts = " or ".join(map(str, seeds))
    note = f"Smallest angle in degrees, lowest to highest of {counts} seeds.\n"
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n" + note


def _range(found: Packings) -> str:
    if not found.angles:
        return "not yet"
    low, high = f"{min(found.angles):.2f}", f"{found.best_deg:.2f}"
    return low if low == high else f"{low} to {high}"


def _figure(table: Table) -> Any:
    """Each seed as a dot, in percent of the best known angle; crosses: the paper."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (way, color) in enumerate(_COLORS.items()):
        shift = 0.18 * (place - 1.5)
        axes.plot([], [], "o", color=color, label=COLUMNS[way][0])
        for row, ((dimension, points), paper) in enumerate(PAPER.items()):
            known = best_known_deg(dimension, points)
            assert known is not None
            angles = table[Cell(dimension, points, way)].angles
            shares = [100.0 * angle / known for angle in angles]
            axes.plot([row + shift] * len(shares), shares, "o", color=color, markersize=4)
            axes.plot(row + shift, 100.0 * paper[way] / known, "x", color=color, markersize=5)
    axes.plot([], [], "x", color="0.3", label="paper")
    axes.axhline(100.0, color="0.6", linewidth=0.8)
    axes.set_xticks(range(len(PAPER)), [f"{d}, {n}" for d, n in PAPER])
    axes.set(xlabel="d, n", ylabel="smallest angle, % of the best known", ylim=(-4.0, 104.0))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(ncols=5, loc="lower center", fontsize=8)
    return figure
