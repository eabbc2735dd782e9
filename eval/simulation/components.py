"""Estimate what makes the scores of real networks vary: from runs of several recipes by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data_prep.errors import UserError
from eval.groups import Group
from eval.multiple_testing import SIGNIFICANCE
from eval.simulation.networks import GRID, Components, simulated_distances
from eval.simulation.structure import Floats, PairStructure, sharing_of
from eval.verification import fold_accuracies

CALIBRATION = 100
"""Simulated studies that tell how far scores alone spread the accuracies."""


@dataclass(frozen=True)
class Observed:
    """What real, or simulated, runs of several recipes with the same seeds look like.

    Attributes:
        recipes, seeds: how many.
        accuracy: mean over all runs.
        seed_sd: standard deviation over the seeds of a recipe's accuracy, pooled over recipes.
        seed_correlation: of two recipes' accuracies with the same seed.
        disagreement: share of pairs that two runs of one recipe decide differently.
        excess: mean of McNemar's chi-squared of two runs of one recipe: 1 if the test's assumptions
            held for recipes.
        called_different: share of two runs of one recipe that this test calls different.
    """

    recipes: int
    seeds: int
    accuracy: float
    seed_sd: float
    seed_correlation: float
    disagreement: float
    excess: float
    called_different: float


def distances_of(groups: Sequence[Group], target: str) -> NDArray[np.floating]:
    """(recipes, seeds, P) distances of the seeds that all groups have.

    Raises:
        UserError: fewer than two groups or common seeds, or runs without scores.
    """
    by_seed = [{run.seed: run for run in group.runs} for group in groups]
    common = [s for s in (by_seed[0] if by_seed else ()) if all(s in runs for runs in by_seed)]
    if len(groups) < 2 or len(common) < 2:
        raise UserError("give at least two recipes that ran the same two seeds or more")
    for runs in by_seed:
        for seed in common:
            if target not in runs[seed].scores:
                raise UserError(f"{runs[seed].path}: no pair scores (.npz) of {target}")
    return np.array([[runs[s].scores[target].distances for s in common] for runs in by_seed])


def observe(distances: NDArray[np.floating], same: NDArray[np.bool_]) -> Observed:
    """Figures of (recipes, seeds, P) distances."""
    recipes, seeds = distances.shape[:2]
    found = [[fold_accuracies(d, same) for d in runs] for runs in distances]
    accuracy = np.array([[run[0].mean() for run in runs] for runs in found])
    right = np.array([[run[2] for run in runs] for runs in found])
    variance, covariance = _over_seeds(accuracy)
    differ, excess = [], []
    for runs in right:
        for i in range(seeds):
            for j in range(i):
                gained, lost = np.sum(runs[i] & ~runs[j]), np.sum(runs[j] & ~runs[i])
                differ.append((gained + lost) / len(same))
                excess.append((gained - lost) ** 2 / max(1, gained + lost))
    return Observed(
        recipes,
        seeds,
        float(accuracy.mean()),
        float(np.sqrt(variance)),
        float(covariance / variance) if variance > 0 else 0.0,
        float(np.mean(differ)),
        float(np.mean(excess)),
        float(np.mean(np.array(excess) > stats.chi2.isf(SIGNIFICANCE, 1))),
    )


def measure(
    distances: NDArray[np.floating],
    structure: PairStructure,
    rng: np.random.Generator | None = None,
) -> Components:
    """The components of (recipes, seeds, P) distances.

    Shares are means of correlations between runs, of normal scores by kind of pair. The strength's
    variance is what is left of the accuracies' variance over seeds when that of equally strong
    simulated networks is taken off; with few seeds it is rough.
    """
    rng = rng or np.random.default_rng(0)
    scores = _normal_scores(distances, structure.same)
    recipe, seed, neither = _correlations(scores, structure.same)
    common = scores.mean(axis=(0, 1))
    alone = (scores - common).reshape(-1, scores.shape[-1])
    found = Components(
        _quantiles(distances, structure.same),
        by_pair=max(0.0, neither),
        by_recipe=max(0.0, recipe - neither),
        by_seed=max(0.0, seed - neither),
        common=sharing_of(_standard(common[None], structure.same), structure),
        own=sharing_of(_standard(alone, structure.same), structure),
    )
    return with_strength(found, _accuracies(distances, structure.same), structure, rng)


def with_strength(
    found: Components, accuracy: Floats, structure: PairStructure, rng: np.random.Generator
) -> Components:
    """`found` with slope, strength and its correlation, so that accuracies vary as these do.

    accuracy: (recipes, seeds).
    """
    variance, covariance = _over_seeds(accuracy)
    return with_spread(found, variance, covariance, structure, rng)


def with_spread(
    found: Components,
    variance: float,
    covariance: float,
    structure: PairStructure,
    rng: np.random.Generator,
) -> Components:
    """`found` with slope, strength and its correlation for this variance of accuracies over seeds.

    covariance: of two recipes' accuracies with one seed.
    """
    unit = replace(found, slope=1.0, strength=0.0)
    seeds, step = 2, 0.2
    drawn = np.array(
        [
            _accuracies(
                simulated_distances(unit, structure, seeds, (0.0, 0.0), rng), structure.same
            )
            for _ in range(CALIBRATION)
        ]
    )
    ends = [
        np.mean(
            [
                _accuracies(
                    simulated_distances(unit, structure, 2, (shift, shift), rng), structure.same
                )
                for _ in range(CALIBRATION // 4)
            ]
        )
        for shift in (-step, step)
    ]
    slope = float(ends[1] - ends[0]) / (2 * step)
    by_scores = np.mean([_over_seeds(each) for each in drawn], axis=0)
    left = max(0.0, variance - by_scores[0])
    shared = float(np.clip((covariance - by_scores[1]) / left, 0.0, 0.95)) if left > 0 else 0.0
    return replace(
        found, slope=slope, strength=float(np.sqrt(left)) / slope, strength_correlation=shared
    )


def _accuracies(distances: NDArray[np.floating], same: NDArray[np.bool_]) -> Floats:
    """(recipes, seeds)"""
    return np.array([[fold_accuracies(d, same)[0].mean() for d in runs] for runs in distances])


def _over_seeds(accuracy: Floats) -> tuple[float, float]:
    """Mean variance over seeds, and mean covariance of two recipes, of (recipes, seeds)."""
    matrix = np.cov(accuracy)
    recipes = len(matrix)
    variance = float(np.trace(matrix)) / recipes
    return variance, float(matrix.sum() - np.trace(matrix)) / (recipes * (recipes - 1))


def _normal_scores(distances: NDArray[np.floating], same: NDArray[np.bool_]) -> Floats:
    """The normal score of each distance's rank among the run's pairs of its kind."""
    scores = np.empty(distances.shape)
    for kind in (same, ~same):
        ranks = stats.rankdata(distances[..., kind], axis=-1)
        scores[..., kind] = stats.norm.ppf((ranks - 0.5) / np.sum(kind))
    return scores


def _standard(fields: Floats, same: NDArray[np.bool_]) -> Floats:
    """(k, P) with mean 0 and variance 1 of each kind of pairs."""
    found = np.empty(fields.shape)
    for kind in (same, ~same):
        part = fields[:, kind]
        found[:, kind] = (part - part.mean(1, keepdims=True)) / part.std(1, keepdims=True)
    return found


def _correlations(scores: Floats, same: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean correlation of two runs' scores: one recipe, one seed, neither; over both kinds."""
    recipes, seeds = scores.shape[:2]
    flat = scores.reshape(recipes * seeds, -1)
    matrix = np.mean([np.corrcoef(flat[:, kind]) for kind in (same, ~same)], axis=0)
    recipe, seed = np.divmod(np.arange(recipes * seeds), seeds)
    one_recipe, one_seed = recipe[:, None] == recipe, seed[:, None] == seed
    return (
        float(matrix[one_recipe & ~one_seed].mean()),
        float(matrix[~one_recipe & one_seed].mean()),
        float(matrix[~one_recipe & ~one_seed].mean()),
    )


def _quantiles(distances: NDArray[np.floating], same: NDArray[np.bool_]) -> Floats:
    """(2, GRID) mean over runs of the distances of different and same pairs at normal scores."""
    shares = stats.norm.cdf(GRID)
    kinds = [np.quantile(distances[..., kind], shares, axis=-1) for kind in (~same, same)]
    return np.array([kind.reshape(len(GRID), -1).mean(axis=1) for kind in kinds])
