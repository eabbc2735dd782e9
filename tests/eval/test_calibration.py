"""Are the tests as often wrong as they say, and as often right as their power says?

Networks are simulated by their decisions: a pair has a difficulty common to all networks, a network
a strength of its own (its seed's), both known. Every rate must lie within what chance allows it in
so many repetitions; seeds of the simulation are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eval.multiple_testing import holm
from eval.power import paired, power, resolved, resolved_by_pairs, seeds_needed, unpaired
from eval.score_test import paired_shares
from eval.statistics import mcnemar_exact, paired_bootstrap
from eval.t_tests import paired_difference, welch

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
    difference = resolved(unpaired(spread, seeds, seeds))
    x, y = accuracies(np.random.default_rng(1), difference, spread, seeds, 1000)
    tests = [welch(a, b) for a, b in zip(x, y, strict=True)]
    found = np.mean([t.p < 0.05 and t.mean > 0 for t in tests])
    assert within(found, 0.8, 1000) or 0.76 < found < 0.8  # Welch's freedom lies below Student's
    covered = np.mean([t.interval[0] < difference < t.interval[1] for t in tests])
    assert within(covered, 0.95, 1000) or 0.95 < covered < 0.965


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_the_paired_t_rejects_five_percent_of_equal_recipes_at_any_correlation(common):
    rng, seeds = np.random.default_rng(21), 4
    x, y = accuracies(rng, 0.0, 0.002 * np.sqrt(1 - common), seeds, 2000)
    shared = rng.normal(0, 0.002 * np.sqrt(common), size=x.shape)
    tests = [paired_difference(a, b) for a, b in zip(x + shared, y + shared, strict=True)]
    assert within(np.mean([t.p < 0.05 for t in tests]), 0.05, 2000)
    covered = [t.interval_at(0.975)[0] < 0 < t.interval_at(0.975)[1] for t in tests]
    assert within(np.mean(covered), 0.975, 2000)


def test_pairing_is_sharper_where_seeds_go_together():
    rng, seeds = np.random.default_rng(22), 5
    x, y = accuracies(rng, 0.002, 0.001, seeds, 500)
    shared = rng.normal(0, 0.002, size=x.shape)
    x, y = x + shared, y + shared
    by_seed, unpaired_ones = (
        np.mean([test(a, b).p < 0.05 for a, b in zip(x, y, strict=True)])
        for test in (paired_difference, welch)
    )
    assert by_seed > unpaired_ones + 0.3
    assert within(by_seed, power(0.002, paired(0.001 * np.sqrt(2), seeds)), 500)


def test_as_many_seeds_as_said_find_the_difference_asked_about():
    spread, asked = 0.002, 0.003
    seeds = seeds_needed(asked, spread, 8, equal).seeds
    assert power(asked, equal(spread, seeds)) >= 0.8
    assert power(asked, equal(spread, seeds - 1)) < 0.8
    x, y = accuracies(np.random.default_rng(2), asked, spread, seeds, 1000)
    found = np.mean([welch(a, b).p < 0.05 for a, b in zip(x, y, strict=True)])
    expected = power(asked, equal(spread, seeds))
    assert within(found, expected, 1000) or expected - 0.03 < found < expected


def equal(spread, seeds):
    return unpaired(spread, seeds, seeds)


@pytest.mark.parametrize("strength", [1.64, 2.6])
def test_the_score_test_rejects_five_percent_of_equal_networks(strength):
    """Also where networks are nearly perfect (99.5%) and few pairs decide."""
    rng, repetitions = np.random.default_rng(30), 1000
    tests = [paired_shares(*decisions(rng, np.array([strength] * 2))) for _ in range(repetitions)]
    rejected = np.mean([t.p < 0.05 for t in tests])
    assert within(rejected, 0.05, repetitions)
    at_98 = [t.interval_at(0.98) for t in tests]
    assert within(np.mean([low <= 0 <= high for low, high in at_98]), 0.98, repetitions)


def test_tangos_interval_covers_the_true_difference():
    rng, repetitions = np.random.default_rng(31), 600
    true = stats.norm.cdf(2.8) - stats.norm.cdf(2.4)
    found = [paired_shares(*decisions(rng, np.array([2.4, 2.8]))) for _ in range(repetitions)]
    covered = np.mean([t.interval[0] <= true <= t.interval[1] for t in found])
    assert within(covered, 0.95, repetitions)
    missed_left = np.mean([t.interval[0] > true for t in found])
    assert within(missed_left, 0.025, repetitions)  # on both sides alike


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


def test_the_score_test_finds_the_difference_it_says_the_pairs_resolve():
    rng, repetitions = np.random.default_rng(4), 500
    found, resolvable = 0, []
    for _ in range(repetitions):
        first, second = decisions(rng, np.array([1.64, 1.75]))
        test = paired_shares(first, second)
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
    """Equal recipes, unequal seeds: the score test cries "different", t tests hold their 5%."""
    rng, repetitions = np.random.default_rng(6), 250
    by_pairs = welchs = paired_ones = 0
    for _ in range(repetitions):
        strengths = 1.64 + 0.05 * rng.normal(size=10)  # about ±0.5 points from seed to seed
        right = decisions(rng, strengths)
        by_pairs += paired_shares(right[0], right[5]).p < 0.05
        x, y = right[:5].mean(axis=1), right[5:].mean(axis=1)
        welchs += welch(x, y).p < 0.05
        paired_ones += paired_difference(x, y).p < 0.05
    assert by_pairs / repetitions > 0.12
    assert within(welchs / repetitions, 0.05, repetitions)
    assert within(paired_ones / repetitions, 0.05, repetitions)


def test_holm_keeps_the_chance_of_any_false_difference():
    rng, repetitions = np.random.default_rng(7), 4000
    p = rng.random(size=(repetitions, 3))
    any_false = np.mean([min(holm(row)) < 0.05 for row in p.tolist()])
    assert within(any_false, 1 - (1 - 0.05 / 3) ** 3, repetitions)
    assert np.mean((p < 0.05).any(axis=1)) > 0.12  # uncorrected
