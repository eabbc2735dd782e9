"""Draw docs/images/performance_mma.png from the JSON files of `arcface-plus bench mma`.

    python tools/draw_performance.py OUT.png BENCH.json [BENCH.json …]

Points are measurements, one colour per device. Lines extrapolate them with the method's complexity
(n² for n×n and exact, n for cached) to the ends of the axes; the grey band is the estimate for an
H200 in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROWS = (5_000.0, 3_000_000.0)
H200_EXACT = {
    10_575: (1.1e-3, 1.9e-3),
    93_000: (11e-3, 16e-3),
    360_000: (0.10, 0.19),
    2_060_000: (3, 6),
}
COLOURS = ("#4c72b0", "#c44e52", "#55a868")
POWER = {"n × n": 2, "exact": 2, "cached": 1, "rolling, 1/20": 2}
MARKERS = {"n × n": "x", "exact": "o", "cached": "s", "rolling, 1/20": "^"}


def points(results: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Seconds by method and number of rows."""
    found: dict[str, dict[int, float]] = {name: {} for name in POWER}
    for row in results[0]["rows"]:
        found["exact"][row["rows"]] = row["seconds"]
        if row["seconds_n_by_n"]:
            found["n × n"][row["rows"]] = row["seconds_n_by_n"]
    for table in results[1:]:
        rows = int(table["title"].split(", ")[1].split(" ×")[0].replace(",", ""))
        for row in table["rows"]:
            if row["name"] == "cached: a step":
                found["cached"][rows] = row["seconds"]
            elif row["name"].startswith("rolling"):
                found["rolling, 1/20"][rows] = row["seconds"]
    return found


def draw(axes: Axes, device: str, measured: dict[str, dict[int, float]], colour: str) -> None:
    for method, seconds in measured.items():
        if not seconds:
            continue
        rows = sorted(seconds)
        axes.plot(
            rows,
            [seconds[n] for n in rows],
            MARKERS[method],
            color=colour,
            label=f"{device}: {method}",
        )
        last = rows[-1]
        law = [seconds[last] * (n / last) ** POWER[method] for n in ROWS]
        axes.plot(ROWS, law, color=colour, linewidth=0.8, alpha=0.5, linestyle=":")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("bench", type=Path, nargs="+")
    arguments = parser.parse_args()
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    low, high = zip(*H200_EXACT.values(), strict=True)
    axes.fill_between(list(H200_EXACT), low, high, color="#bbbbbb", label="H200: exact, estimated")
    for path, colour in zip(arguments.bench, COLOURS, strict=False):
        content = json.loads(path.read_text(encoding="utf-8"))
        machine = content["machine"]
        device = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} threads"
        draw(axes, device, points(content["results"]), colour)
    axes.set(
        xscale="log", yscale="log", xlim=ROWS, ylim=(1e-4, 3e4),
        xlabel="classes (rows of 512)", ylabel="seconds per step, forward and backward",
        title="Cost of MMA: points measured, dotted lines extrapolated",
    )  # fmt: skip
    for rows, name in (
        (10_575, "CASIA"),
        (93_431, "MS1MV3"),
        (360_232, "Glint360K"),
        (2_059_906, "WebFace42M"),
    ):
        axes.axvline(rows, color="black", linewidth=0.4, alpha=0.4)
        axes.text(rows, 1.4e4, name, rotation=90, va="top", ha="right", fontsize=8)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
