"""How often the judge's tests show a difference in simulated comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.multiple_testing import SIGNIFICANCE, holm
from eval.roc import DIFFERENT_PAIRS_NEEDED, FALSE_ACCEPT_RATES, operating_point
from eval.score_test import paired_shares
from eval.simulation.networks import Components, simulated_distances
from eval.simulation.structure import PairStructure
from eval.statistics import binomial_interval, mcnemar_exact
from eval.t_tests import paired_difference
from eval.verification import fold_accuracies

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """In how many of the simulated comparisons something happened."""

    times: int
    of: int

    @property
    def share(self) -> float:
        """The estimate."""
        return self.times / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval: what the number of simulations leaves open."""
        return binomial_interval(self.times, self.of)

    def __str__(self) -> str:
        low, high = (f"{100 * bound:.1f}" for bound in self.interval)
        return f"{100 * self.share:.1f} ({low} to {high})"


def rate(happened: NDArray[np.bool_]) -> Rate:
    """The rate of True."""
    return Rate(int(np.sum(happened)), happened.size)


def shown(p_values: Floats) -> Rate:
    """How often a single verdict shows a difference."""
    return rate(p_values < SIGNIFICANCE)


def any_shown(p_values: Floats, correct: Callable[[list[float]], list[float]] = holm) -> Rate:
    """How often any of the verdicts of (studies, verdicts) p-values shows a difference."""
    return rate(np.array([min(correct(row)) < SIGNIFICANCE for row in p_values.tolist()]))


SINGLE_RUN_TESTS: Mapping[str, str] = {
    "score": "McNemar's score test",
    "exact": "McNemar's exact test",
    "folds": "paired t over folds",
}


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What simulated studies give to the judge.

    Attributes:
        figures: metric → (studies, recipes, seeds).
        single: test of `SINGLE_RUN_TESTS` → (studies,) p of the first two recipes' first runs.
    """

    figures: Mapping[str, Floats]
    single: Mapping[str, Floats]


def simulate(
    components: Components,
    structure: PairStructure,
    seeds: int,
    shifts: Sequence[float],
    studies: int,
    rng: np.random.Generator,
) -> Outcomes:
    """Simulate studies of recipes whose accuracies differ from the first's by `shifts`.

    Args:
        seeds: runs of each recipe; run k of all recipes has the same seed.
        shifts: one for each recipe, as a share of 1; the first is usually 0.
    """
    figures: dict[str, list[list[list[float]]]] = {}
    single: dict[str, list[float]] = {test: [] for test in SINGLE_RUN_TESTS}
    for _ in range(studies):
        distances = simulated_distances(components, structure, seeds, shifts, rng)
        folds = [[fold_accuracies(d, structure.same) for d in runs] for runs in distances]
        found = {"accuracy": [[float(run[0].mean()) for run in runs] for runs in folds]}
        for name, inverse in _rates_of(structure.same).items():
            found[f"tar@{name}"] = [
                [operating_point(d, structure.same, inverse).tar for d in runs]
                for runs in distances
            ]
        for metric, values in found.items():
            figures.setdefault(metric, []).append(values)
        first, second = folds[0][0], folds[1][0]
        single["score"].append(paired_shares(first[2], second[2]).p)
        single["exact"].append(mcnemar_exact(first[2], second[2]).p)
        single["folds"].append(paired_difference(first[0], second[0]).p)
    return Outcomes(
        {metric: np.array(values) for metric, values in figures.items()},
        {test: np.array(values) for test, values in single.items()},
    )


def _rates_of(same: NDArray[np.bool_]) -> dict[str, int]:
    """The false accept rates that so many pairs allow, as in `eval.roc.roc_figures`."""
    different = int(np.sum(~same))
    return {
        name: inverse
        for name, inverse in FALSE_ACCEPT_RATES.items()
        if different >= DIFFERENT_PAIRS_NEEDED * inverse
    }
