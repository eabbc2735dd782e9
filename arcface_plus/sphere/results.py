"""What the seeds of a Tammes problem reached, beside what is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from arcface_plus.sphere.packings import best_known_deg, upper_bound_deg
from arcface_plus.sphere.tammes import smallest_angle_deg


@dataclass(frozen=True, eq=False)
class Packings:
    """The smallest angle (degrees) that each seed, 0, 1, …, ended with, and the best points.

    ``best``: unit rows (points, D), float64; None as long as there is no seed.
    """

    dimension: int
    points: int
    regularizer: str
    solver: str
    steps: int
    angles: tuple[float, ...] = ()
    best: Tensor | None = None

    def with_next(self, rows: Tensor) -> Packings:
        """These and what the next seed ended with."""
        angle = smallest_angle_deg(rows)
        best = rows if not self.angles or angle > self.best_deg else self.best
        return replace(self, angles=(*self.angles, angle), best=best)

    @property
    def best_deg(self) -> float:
        return max(self.angles)

    @property
    def best_known_deg(self) -> float | None:
        return best_known_deg(self.dimension, self.points)

    @property
    def upper_bound_deg(self) -> float:
        return upper_bound_deg(self.dimension, self.points)

    def lines(self) -> list[str]:
        """For the terminal: what was reached, its spread over seeds, and what is known."""
        what = f"{self.points} points in {self.dimension} dimensions, {self.regularizer}"
        angles, count = self.angles, len(self.angles)
        spread = (
            f", {min(angles):.3f}° to {max(angles):.3f}° over {count} seeds" if count > 1 else ""
        )
        known = self.best_known_deg
        beside = "no best known packing here" if known is None else f"best known {known:.3f}°"
        if known is not None:
            beside += f" ({self.best_deg - known:+.3f}°)"
        return [
            f"{what}, {self.solver}: smallest angle {self.best_deg:.3f}°{spread}",
            f"{beside}; upper bound {self.upper_bound_deg:.3f}°",
        ]
