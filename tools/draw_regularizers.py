"""Draw docs/images/regularizers.png: what each regularizer makes of the same twelve points.

    python tools/draw_regularizers.py [FILE]

All begin at the points of the first panel and descend as the MMA paper does for the Tammes problem
(`arcface-plus tammes`), for 2,000 steps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from arcface_plus.models.regularizers import MHE, MMA, KoLeo, MaximalCosine, Orthogonal, Orthonormal
from arcface_plus.sphere.picture import sphere_figure
from arcface_plus.sphere.spreading import Spread
from arcface_plus.sphere.tammes import Descent, descend
from arcface_plus.sphere.toys import Panel, Toy

FILE = Path(__file__).parents[1] / "docs/images/regularizers.png"
POINTS, DIMENSIONS, SEED = 12, 3, 1
START = Toy("the start", MMA())
TOYS: Sequence[Toy] = (
    Toy("mma", MMA()),
    Toy("cosine", MaximalCosine()),
    Toy("koleo", KoLeo()),
    Toy("mhe", MHE()),
    Toy("mhe, half_space", MHE(half_space=True), lines=True),
    Toy("orthogonal", Orthogonal()),
    Toy("orthonormal", Orthonormal()),
)


def panel(toy: Toy, steps: int) -> Panel:
    """Where the points are after so many steps."""
    points = descend(DIMENSIONS, POINTS, toy.regularizer, SEED, Descent(steps=steps))
    loss = float(toy.regularizer(points))
    return Panel(toy, Spread(points.numpy(), loss, (loss,)))


def draw(file: Path) -> list[Panel]:
    """Draw them all, and return them."""
    panels = [panel(START, 0), *(panel(toy, 2000) for toy in TOYS)]
    figure = sphere_figure(panels, rows=2)
    figure.set_dpi(80)
    FigureCanvasAgg(figure).print_png(str(file))
    return panels


if __name__ == "__main__":
    for made in draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE):
        both = [made.found.smallest_angle(opposite) for opposite in (False, True)]
        print(f"{made.toy.title}: {both[0]:.1f}° between points, {both[1]:.1f}° between lines")
