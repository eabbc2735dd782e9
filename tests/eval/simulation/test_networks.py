"""Simulated networks have the accuracy, correlations and differences that they were asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from eval.simulation.networks import Components, normal_distances, simulated_distances
from eval.simulation.structure import unshared
from eval.verification import fold_accuracies

PAIRS = unshared(4000)


def accuracies(components, seeds, shifts, rng):
    distances = simulated_distances(components, PAIRS, seeds, shifts, rng)
    return np.array([[fold_accuracies(d, PAIRS.same)[0].mean() for d in r] for r in distances])


@pytest.mark.parametrize("accuracy", [0.75, 0.99])
def test_the_accuracy_is_the_one_asked_for(accuracy):
    found = accuracies(
        Components(normal_distances(accuracy)), 4, (0.0, 0.0), np.random.default_rng(0)
    )
    assert found.mean() == pytest.approx(accuracy, abs=0.01)


def test_a_shift_is_gained_in_accuracy_at_the_slope():
    # Accuracy Φ(δ / 2) grows by φ(δ / 2) / 2 with the strength δ.
    slope = stats.norm.pdf(stats.norm.ppf(0.8)) / 2
    model = Components(normal_distances(0.8), by_pair=0.95, slope=float(slope))
    reference, better = accuracies(model, 10, (0.0, 0.03), np.random.default_rng(1))
    assert better.mean() - reference.mean() == pytest.approx(0.03, abs=0.006)


def test_scores_are_correlated_by_pair_recipe_and_seed():
    model = Components(normal_distances(0.8), by_pair=0.4, by_recipe=0.2, by_seed=0.1)
    distances = simulated_distances(model, PAIRS, 2, (0.0, 0.0), np.random.default_rng(2))
    found = np.corrcoef(distances.reshape(4, -1)[:, PAIRS.same])
    assert found[0, 1] == pytest.approx(0.6, abs=0.05)  # one recipe, other seeds
    assert found[0, 2] == pytest.approx(0.5, abs=0.05)  # one seed, other recipes
    assert found[0, 3] == pytest.approx(0.4, abs=0.05)


def test_strengths_vary_with_the_seed_alike_in_both_recipes():
    model = Components(
        normal_distances(0.8), by_pair=0.99, strength=0.5, strength_correlation=0.9, slope=0.14
    )
    first, second = accuracies(model, 30, (0.0, 0.0), np.random.default_rng(3))
    assert first.std() == pytest.approx(0.5 * 0.14, rel=0.4)
    assert np.corrcoef(first, second)[0, 1] > 0.75
    equal, _ = accuracies(model.without_seeds(), 30, (0.0, 0.0), np.random.default_rng(3))
    assert equal.std() < first.std() / 5


def test_recipes_without_pairs_of_their_own_differ_as_seeds_do():
    model = Components(normal_distances(0.8), by_pair=0.4, by_recipe=0.2)
    assert model.without_recipe_pairs() == replace(model, by_recipe=0.0)
