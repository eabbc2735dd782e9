"""The toy figures of the MHE paper: Figs 1, 5 and 6.

Liu et al., "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018. Fig. 1: ten points in
three dimensions under the orthonormal regularizer, MHE and half-space MHE. Figs 5 and 6 (appendix
D): weighted MHE, one or two points having a weight β of 1, 2, 4 or 10, the others 1. The paper
shows pictures only; the number of points in Figs 5 and 6 and s = 2 are our choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from arcface_plus.models.regularizers import MHE, Orthonormal, Regularizer
from arcface_plus.sphere.spreading import Spread, spread

POINTS, DIMENSIONS = 10, 3
_WEIGHTS = (1.0, 2.0, 4.0, 10.0)


class Toy(NamedTuple):
    """One panel: `heavy` points, the first ones, have a weight; `lines`: opposites count, too."""

    title: str
    regularizer: Regularizer
    heavy: int = 0
    lines: bool = False


FIGURES: dict[str, tuple[Toy, ...]] = {
    "mhe_figure_1": (
        Toy("orthonormal", Orthonormal()),
        Toy("MHE", MHE()),
        Toy("half-space MHE", MHE(half_space=True), lines=True),
    ),
    "mhe_figure_5": tuple(
        Toy(f"β = {w:g}", MHE(row_scales=(w,) + (1.0,) * (POINTS - 1)), heavy=1) for w in _WEIGHTS
    ),
    "mhe_figure_6": tuple(
        Toy(f"β = {w:g}", MHE(row_scales=(w, w) + (1.0,) * (POINTS - 2)), heavy=2) for w in _WEIGHTS
    ),
}


class Panel(NamedTuple):
    toy: Toy
    found: Spread

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.toy.title,
            "regularizer": repr(self.toy.regularizer),
            "heavy_points": self.toy.heavy,
            "loss": self.found.loss,
            "losses_of_all_starts": list(self.found.losses),
            "smallest_angle_deg": self.found.smallest_angle(),
            "smallest_angle_of_lines_deg": self.found.smallest_angle(opposite=True),
            "points": self.found.points.tolist(),
        }


def panels(figure: str, seed: int) -> Iterator[Panel]:
    """The panels of a figure, each when it has been computed."""
    for toy in FIGURES[figure]:
        yield Panel(toy, spread(toy.regularizer, POINTS, DIMENSIONS, seed))
