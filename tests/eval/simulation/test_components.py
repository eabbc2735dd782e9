"""The components of simulated runs are found again; of runs on disk they can be read."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from data_prep.errors import UserError
from eval.groups import Group
from eval.runs import read_run
from eval.score_test import paired_shares
from eval.simulation.components import distances_of, measure, observe
from eval.simulation.networks import Components, normal_distances, simulated_distances
from eval.simulation.structure import unshared
from eval.verification import fold_accuracies

PAIRS = unshared(1500)
TRUTH = Components(
    normal_distances(0.8), by_pair=0.6, by_recipe=0.1, by_seed=0.05,
    strength=0.4, strength_correlation=0.5, slope=0.14,
)  # fmt: skip


@pytest.fixture(scope="module")
def distances():
    return simulated_distances(TRUTH, PAIRS, 12, (0.0,) * 3, np.random.default_rng(0))


def test_components_are_found_again(distances):
    found = measure(distances, PAIRS)
    assert found.by_pair == pytest.approx(0.6, abs=0.05)
    assert found.by_recipe == pytest.approx(0.1, abs=0.04)
    assert found.by_seed == pytest.approx(0.05, abs=0.03)
    assert found.slope == pytest.approx(0.14, abs=0.01)
    assert found.strength == pytest.approx(0.4, rel=0.4)
    assert 0.1 < found.strength_correlation < 0.9


def test_networks_without_differences_between_seeds_have_none(distances):
    equal = simulated_distances(
        TRUTH.without_seeds(), PAIRS, 12, (0.0,) * 3, np.random.default_rng(1)
    )
    assert measure(equal, PAIRS).strength < measure(distances, PAIRS).strength / 2


def test_mcnemars_chi_squared_of_one_recipe_tells_seeds_from_pairs(distances):
    """1 if only the choice of pairs made two runs differ; here strengths do, so it is above."""
    found = observe(distances, PAIRS.same)
    right = [[fold_accuracies(d, PAIRS.same)[2] for d in runs] for runs in distances]
    p = [paired_shares(a, b).p for runs in right for a, b in combinations(runs, 2)]
    assert found.called_different == np.mean(np.array(p) < 0.05) > 0.2
    assert found.excess > 3
    equal = simulated_distances(TRUTH.without_seeds(), PAIRS, 12, (0.0,) * 3,
                                np.random.default_rng(1))  # fmt: skip
    assert 0.6 < observe(equal, PAIRS.same).excess < 1.7


def test_observed_figures_are_those_of_the_runs(distances):
    found = observe(distances, PAIRS.same)
    assert (found.recipes, found.seeds) == (3, 12)
    assert found.accuracy == pytest.approx(0.8, abs=0.03)
    assert found.seed_sd == pytest.approx(0.4 * 0.14, rel=0.35)
    assert 0.1 < found.seed_correlation < 0.9


def test_distances_are_read_of_the_seeds_that_all_groups_have(seeded_run):
    seeds = {"a": (0, 1, 2), "b": (2, 1, 5)}
    groups = [
        Group(name, tuple(read_run(seeded_run(f"{name}{s}", s, {"lfw": (2, 10 * n + s)}))
                          for s in seeds[name]))
        for n, name in enumerate(seeds)
    ]  # fmt: skip
    found = distances_of(groups, "lfw")
    assert found.shape == (2, 2, 2000)
    assert np.array_equal(found[1, 0], groups[1].runs[1].scores["lfw"].distances)  # seed 1
    with pytest.raises(UserError, match="at least two recipes"):
        distances_of(groups[:1], "lfw")
    with pytest.raises(UserError, match=r"no pair scores \(.npz\) of cfp_fp"):
        distances_of(groups, "cfp_fp")
