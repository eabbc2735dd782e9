"""Draw docs/images/regularizers.png: the same ten points on a sphere, moved by each regularizer.

    python tools/draw_regularizers.py [FILE]

All start from the same points and descend as `arcface-plus tammes` does, nothing else pulls. Filled
points are in front, hollow ones behind; the same point is turned to the same place in all panels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from arcface_plus.models.regularizers import (
    MHE,
    MMA,
    KoLeo,
    MaximalCosine,
    Orthogonal,
    Orthonormal,
)
from arcface_plus.sphere.picture import sphere_figure
from arcface_plus.sphere.spreading import Spread
from arcface_plus.sphere.tammes import Descent, descend
from arcface_plus.sphere.toys import DIMENSIONS, POINTS, Panel, Toy

FILE = Path(__file__).parents[1] / "docs/images/regularizers.png"
SEED, STEPS, COLUMNS = 0, 2_500, 3
TOYS: Sequence[Toy] = (
    Toy("mma", MMA()),
    Toy("koleo", KoLeo()),
    Toy("cosine", MaximalCosine()),
    Toy("mhe, power 2", MHE()),
    Toy("mhe, power 0", MHE(power=0.0)),
    Toy("mhe, half space", MHE(half_space=True), lines=True),
    Toy("orthogonal", Orthogonal()),
    Toy("orthonormal", Orthonormal()),
)


def moved(toy: Toy, steps: int) -> Panel:
    rows = descend(DIMENSIONS, POINTS, toy.regularizer, SEED, Descent(steps))
    loss = float(toy.regularizer(rows))
    return Panel(toy, Spread(rows.numpy(), loss, (loss,)))


def draw(file: Path, steps: int = STEPS) -> None:
    panels = [moved(Toy("start", MMA()), 0)]
    for toy in TOYS:
        panels.append(moved(toy, steps))
        found = panels[-1].found
        print(
            f"{toy.title}: {found.smallest_angle():.2f}°, lines {found.smallest_angle(True):.2f}°"
        )
    figure = sphere_figure(panels, COLUMNS)
    FigureCanvasAgg(figure)
    figure.savefig(file, dpi=80, format="png", facecolor="white")


if __name__ == "__main__":
    torch.set_num_threads(1)
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
