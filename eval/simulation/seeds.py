"""Figures of runs drawn directly, without pairs: thousands of studies at a time.

For questions about the distribution over seeds alone: correlation, unequal spread, heavy tails,
runs that fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.normal(size=shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Student's t with 3 degrees of freedom, scaled to variance 1."""
    return rng.standard_t(3, size=shape) / np.sqrt(3)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """An exponential distribution's long tail, downwards: some seeds are much worse."""
    return 1 - rng.exponential(size=shape)


TAILS: Mapping[str, Draw] = {"normal": _normal, "heavy": _heavy, "skewed": _skewed}
"""Distributions with mean 0 and variance 1."""


@dataclass(frozen=True)
class SeedModel:
    """How recipes' figures vary over seeds; one entry per recipe.

    Attributes:
        means, spreads: mean and standard deviation of runs that do not fail.
        correlation: of two recipes' figures with the same seed, by a part that they have in common.
        tails: of `TAILS`; the part that they have in common has the first one's.
        failing: the chance that a run fails.
        loss: what a failing run loses.
    """

    means: Sequence[float] = (0.0, 0.0)
    spreads: Sequence[float] = (1.0, 1.0)
    correlation: float = 0.0
    tails: Sequence[str] = ("normal", "normal")
    failing: Sequence[float] = (0.0, 0.0)
    loss: float = 0.0

    def figures(self, studies: int, seeds: int, rng: np.random.Generator) -> Floats:
        """(studies, recipes, seeds)"""
        draws, recipes = [TAILS[name] for name in self.tails], len(self.means)
        shared = np.sqrt(self.correlation) * draws[0](rng, (studies, 1, seeds))
        alone = np.sqrt(1 - self.correlation) * np.concatenate(
            [draw(rng, (studies, 1, seeds)) for draw in draws], axis=1
        )
        means, spreads, failing = (
            np.array(each)[:, None] for each in (self.means, self.spreads, self.failing)
        )
        failed = rng.random((studies, recipes, seeds)) < failing
        found: Floats = means + spreads * (shared + alone) - self.loss * failed
        return found
