"""Distances of simulated networks on a target's pairs, with known differences between recipes.

A network's distance of a pair is its kind's distribution (`Components.quantiles`) at a normal
score. The score is a sum of what all networks have in common for this pair, what the recipe's
networks have in common, what runs with one seed have in common, and the network's own part; each
of these is partly shared by pairs with common people or images. A network's strength moves the
scores of same pairs down and those of different pairs up. It varies with the seed, and networks of
two recipes with one seed have correlated strengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eval.simulation.structure import NOTHING_SHARED, Floats, PairStructure, Sharing

GRID = np.linspace(-4.5, 4.5, 181)
"""Normal scores at which the distributions of distances are kept."""


def normal_distances(accuracy: float) -> Floats:
    """(2, GRID) distances of different and same pairs, normal, that give this accuracy."""
    separation = 2 * stats.norm.ppf(accuracy)
    return 1.4 + 0.2 * (GRID + separation * np.array([[0.5], [-0.5]]))


@dataclass(frozen=True)
class Components:
    """What makes the scores of networks vary.

    Attributes:
        quantiles: (2, GRID) distances of different (0) and same (1) pairs at each normal score.
        by_pair, by_recipe, by_seed: shares of a score's variance that all networks have in common,
            that a recipe's networks have beyond that, and that networks with one seed have; the
            rest is each network's own.
        common, own: sharing between pairs, in the part that all networks have in common and in the
            other parts.
        strength: standard deviation over seeds of the strength, in normal scores between the two
            kinds of pairs.
        strength_correlation: of the strengths of two recipes' networks with one seed.
        slope: accuracy gained per unit of strength.
    """

    quantiles: Floats = field(repr=False)
    by_pair: float = 0.6
    by_recipe: float = 0.0
    by_seed: float = 0.0
    common: Sharing = NOTHING_SHARED
    own: Sharing = NOTHING_SHARED
    strength: float = 0.0
    strength_correlation: float = 0.0
    slope: float = 0.0

    def without_seeds(self) -> Components:
        """The same with networks of equal strength: for tests of two networks."""
        return replace(self, strength=0.0)

    def without_recipe_pairs(self) -> Components:
        """The same with recipes that find the same pairs difficult."""
        return replace(self, by_recipe=0.0)


def simulated_distances(
    components: Components,
    structure: PairStructure,
    seeds: int,
    shifts: Sequence[float],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """(recipes, seeds, P) squared distances; `shifts`: each recipe's gain in accuracy, a share."""
    recipes = len(shifts)
    parts = (
        (components.by_pair, (1, 1), components.common),
        (components.by_recipe, (recipes, 1), components.own),
        (components.by_seed, (1, seeds), components.own),
        (_own_share(components), (recipes, seeds), components.own),
    )
    scores = np.zeros((recipes, seeds, len(structure.same)), dtype=np.float32)
    for share, shape, sharing in parts:
        if share > 0:
            scores += np.sqrt(share, dtype=np.float32) * _field(structure, sharing, shape, rng)
    strengths = _strengths(components, seeds, shifts, rng)[..., None].astype(np.float32)
    scores += np.where(structure.same, np.float32(-0.5), np.float32(0.5)) * strengths
    found = np.empty_like(scores)
    for kind, members in enumerate((~structure.same, structure.same)):
        found[..., members] = np.interp(scores[..., members], GRID, components.quantiles[kind])
    return found


def _own_share(components: Components) -> float:
    return 1.0 - components.by_pair - components.by_recipe - components.by_seed


def _strengths(
    components: Components, seeds: int, shifts: Sequence[float], rng: np.random.Generator
) -> Floats:
    """(recipes, seeds) strengths; a shift of accuracy needs the slope."""
    shared = rng.normal(size=(1, seeds)) * np.sqrt(components.strength_correlation)
    alone = rng.normal(size=(len(shifts), seeds)) * np.sqrt(1 - components.strength_correlation)
    gained = [shift / components.slope if shift else 0.0 for shift in shifts]
    return components.strength * (shared + alone) + np.array(gained)[:, None]


def _field(
    structure: PairStructure, sharing: Sharing, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """(*shape, P) standard normal scores, correlated between pairs with common people or images."""

    def normals(count: int) -> NDArray[np.float32]:
        return rng.standard_normal((shape[0] * shape[1], count), dtype=np.float32)

    found = normals(len(structure.same)) * np.float32(
        np.sqrt(max(0.0, 1 - sharing.person - sharing.image))
    )
    shared = (
        (sharing.person, structure.person_weights),
        (sharing.image, structure.image_weights),
    )
    for share, weights in shared:
        if share > 0:
            effects = normals(weights.shape[1]) * np.float32(np.sqrt(share))
            found += (weights.astype(np.float32) @ effects.T).T
    return found.reshape(*shape, -1)
