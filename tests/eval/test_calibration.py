"""Are the tests as often wrong as they say, and as often right as their power says?

Networks are simulated by their decisions: a pair has a difficulty common to all networks, a network
a strength of its own (its seed's), both known. Every rate must lie within what chance allows it in
so many repetitions; seeds of the simulation are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eval.power import (
    power_of_seeds,
    resolved_by_pairs,
    resolved_by_seeds,
    seeds_needed,
)
from eval.statistics import holm, mcnemar_exact, paired_bootstrap, welch

PAIRS = 6000


def decisions(rng, strengths):
    """(networks, PAIRS) booleans: rightness of networks with these strengths on common pairs."""
    difficulty = rng.normal(size=PAIRS)
    return 0.8 * difficulty + 0.6 * rng.normal(size=(len(strengths), PAIRS)) < strengths[:, None]


def within(rate, expected, repetitions, sigmas=3.5):
    """Whether a rate is what chance allows around `expected`."""
    return abs(rate - expected) <= sigmas * np.sqrt(expected * (1 - expected) / repetitions)


def accuracies(rng, shift, spread, seeds, repetitions):
    """Two recipes' accuracies: (2, repetitions, seeds), the second better by `shift`."""
    found = rng.normal(0.95, spread, size=(2, repetitions, seeds))
    found[1] += shift
    return found


@pytest.mark.parametrize("seeds", [3, 5])
def test_welch_rejects_five_percent_of_equal_recipes(seeds):
    x, y = accuracies(np.random.default_rng(seeds), 0.0, 0.002, seeds, 1000)
    rejected = np.mean([welch(a, b).p < 0.05 for a, b in zip(x, y, strict=True)])
    # Welch's approximate degrees of freedom make it a little careful where seeds are few.
    assert within(rejected, 0.05, 1000) or 0.035 < rejected < 0.05


def test_welch_finds_what_power_says():
    seeds, spread = 5, 0.002
    difference = resolved_by_seeds(spread, seeds, seeds)
    x, y = accuracies(np.random.default_rng(1), difference, spread, seeds, 1000)
    tests = [welch(a, b) for a, b in zip(x, y, strict=True)]
    found = np.mean([t.p < 0.05 and t.mean > 0 for t in tests])
    assert within(found, 0.8, 1000) or 0.76 < found < 0.8  # Welch's freedom lies below Student's
    covered = np.mean([t.interval[0] < difference < t.interval[1] for t in tests])
    assert within(covered, 0.95, 1000) or 0.95 < covered < 0.965


def test_as_many_seeds_as_said_find_the_difference_asked_about():
    spread, asked = 0.002, 0.003
    seeds = seeds_needed(asked, spread, freedom=8).seeds
    assert power_of_seeds(asked, spread, seeds, seeds) >= 0.8
    assert power_of_seeds(asked, spread, seeds - 1, seeds - 1) < 0.8
    x, y = accuracies(np.random.default_rng(2), asked, spread, seeds, 1000)
    found = np.mean([welch(a, b).p < 0.05 for a, b in zip(x, y, strict=True)])
    expected = power_of_seeds(asked, spread, seeds, seeds)
    assert within(found, expected, 1000) or expected - 0.03 < found < expected


def test_mcnemar_rejects_as_many_equal_networks_as_its_exact_size():
    rng, repetitions = np.random.default_rng(3), 500
    size, rejected = 0.0, 0
    for _ in range(repetitions):
        first, second = decisions(rng, np.array([1.64, 1.64]))
        found = mcnemar_exact(first, second)
        rejected += found.p < 0.05
        size += exact_size(found.only_first + found.only_second)
    # Counts are discrete, so an exact test stays below 5%: by how much is known.
    assert 0.03 < size / repetitions <= 0.05
    assert within(rejected / repetitions, size / repetitions, repetitions)


def exact_size(disagreements):
    """Chance of p < 0.05 when both are equal: the binomial mass of the two tails that reject."""
    below = stats.binom.cdf(np.arange(disagreements // 2), disagreements, 0.5)
    rejecting = below[2 * below < 0.05]
    return 2 * rejecting[-1] if len(rejecting) else 0.0


def test_mcnemar_finds_the_difference_it_says_the_pairs_resolve():
    rng, repetitions = np.random.default_rng(4), 500
    found, resolvable = 0, []
    for _ in range(repetitions):
        first, second = decisions(rng, np.array([1.64, 1.75]))
        test = mcnemar_exact(first, second)
        found += test.p < 0.05
        resolvable.append(resolved_by_pairs(test.only_first + test.only_second, PAIRS))
    true = stats.norm.cdf(1.75) - stats.norm.cdf(1.64)
    standard_error = np.mean(resolvable) / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    power = stats.norm.cdf(true / standard_error - stats.norm.ppf(0.975))
    assert found / repetitions == pytest.approx(power, abs=0.06)
    assert 0.5 < power < 0.95  # else the test above tells little


def test_the_bootstrap_covers_the_true_difference():
    rng, repetitions = np.random.default_rng(5), 200
    true = stats.norm.cdf(1.75) - stats.norm.cdf(1.64)
    covered = 0
    for _ in range(repetitions):
        first, second = decisions(rng, np.array([1.64, 1.75]))
        difference = second.astype(int) - first
        low, high = paired_bootstrap(difference, resamples=1000).interval
        covered += low <= true <= high
    assert within(covered / repetitions, 0.95, repetitions)


def test_pairs_cannot_stand_for_seeds():
    """Equal recipes, unequal seeds: McNemar's test cries "different", Welch's holds its 5%."""
    rng, repetitions = np.random.default_rng(6), 250
    by_pairs = by_seeds = 0
    for _ in range(repetitions):
        strengths = 1.64 + 0.05 * rng.normal(size=10)  # about ±0.5 points from seed to seed
        right = decisions(rng, strengths)
        by_pairs += mcnemar_exact(right[0], right[5]).p < 0.05
        by_seeds += welch(right[:5].mean(axis=1), right[5:].mean(axis=1)).p < 0.05
    assert by_pairs / repetitions > 0.12
    assert within(by_seeds / repetitions, 0.05, repetitions)


def test_holm_keeps_the_chance_of_any_false_difference():
    rng, repetitions = np.random.default_rng(7), 4000
    p = rng.random(size=(repetitions, 3))
    any_false = np.mean([min(holm(row)) < 0.05 for row in p.tolist()])
    assert within(any_false, 1 - (1 - 0.05 / 3) ** 3, repetitions)
    assert np.mean((p < 0.05).any(axis=1)) > 0.12  # uncorrected
